-- The calendars that stored values keep to.
select distinct calendar from openbell.artifact where calendar is not null order by calendar
