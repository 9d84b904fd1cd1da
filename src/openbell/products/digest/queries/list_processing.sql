-- The schedules by which digests are begun, those that are switched on.
select name, cron, zone from openbell.schedule where name like 'digest-process-%' and enabled order by name
