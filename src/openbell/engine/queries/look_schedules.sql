-- What a scheduler must know: whether anything is due, in how many seconds it will be, and what has not ended yet.
with clock as materialized (
    select openbell.now() as t
)
select exists (
        select 1 from openbell.schedule s where s.enabled and s.problem is null and (s.next_at is null or s.next_at <= clock.t)) as due,
    (select extract(epoch from min(s.next_at) - clock.t)::float8
        from openbell.schedule s where s.enabled and s.problem is null and s.next_at > clock.t) as next_in_s,
    (select min(case p.kind when 'artifact' then 2.0 else 15.0 end)::float8
        from openbell.occurrence o join openbell.product p on p.name = o.product where o.state = 'queued') as settle_in_s
from clock
