select cron, zone from openbell.schedule where name = $1 and enabled
