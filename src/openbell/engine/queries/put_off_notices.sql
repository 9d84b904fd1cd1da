update openbell.alert_notice set next_at = openbell.now() + $2::interval where id = any($1)
