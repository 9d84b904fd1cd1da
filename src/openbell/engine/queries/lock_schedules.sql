-- Schedules with something to do; those that another scheduler has in hand are skipped.
select s.name, s.product, p.kind, s.key, s.args, s.cron, s.zone, s.missed, s.max_late, s.next_at, p.patience, openbell.now() as now
from openbell.schedule s
join openbell.product p on p.name = s.product
where s.enabled and s.problem is null and (s.next_at is null or s.next_at <= openbell.now())
order by s.next_at nulls first limit $1 for update of s skip locked
