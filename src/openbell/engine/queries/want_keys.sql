-- One lease per source and key; a repeat moves its end, never back. What only viewers want ($7) and a fixed list keeps
-- fresh is no demand, until the flag takes it over.
insert into openbell.demand as d (source, product, key, weight, job_class, expires_at)
select $1, u.product, u.key, u.weight, $5, openbell.now() + $6::interval
from unnest($2::text[], $3::text[], $4::integer[]) as u (product, key, weight)
left join openbell.poll l on $7 and l.product = u.product and l.key = u.key
left join openbell.flag f on f.name = 'demand-' || l.product
where l.product is null or openbell.is_on(f, u.key)
order by u.product, u.key
on conflict (product, key, source) do update
set weight = excluded.weight, job_class = excluded.job_class, expires_at = greatest(d.expires_at, excluded.expires_at)
