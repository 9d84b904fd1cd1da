-- One lease for each key of a fixed list that has not been taken over to demand. A row of `due` is the turn to do so.
with due as (
    update openbell.duty set next_at = openbell.now() + $1::interval
    where name = 'poll' and next_at <= openbell.now()
    returning openbell.now() as t
)
insert into openbell.demand as d (source, product, key, weight, job_class, expires_at)
select 'poll', l.product, l.key, 1, $2, due.t + $3::interval
from due, openbell.poll l
left join openbell.flag f on f.name = 'demand-' || l.product
where not openbell.is_on(f, l.key)
order by l.product, l.key
on conflict (product, key, source) do update set expires_at = excluded.expires_at
