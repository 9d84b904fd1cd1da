-- The zone of the weekly run as it is in force, and the time.
select coalesce((select s.zone from openbell.schedule s where s.name = 'picks-week'), $1) as zone, openbell.now() as now
