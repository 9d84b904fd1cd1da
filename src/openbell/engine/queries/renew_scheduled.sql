-- Demand is forgotten when the server crashes; what schedules still wait for is asked for again.
insert into openbell.demand (source, product, key, weight, job_class, expires_at)
select 'schedule:' || o.schedule, o.product, o.key, 1, $1, max(o.queued_at + p.patience)
from openbell.occurrence o
join openbell.product p on p.name = o.product and p.kind = 'artifact'
where o.state = 'queued'
group by o.schedule, o.product, o.key
on conflict (product, key, source) do nothing
