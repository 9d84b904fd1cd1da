-- One lease per source and key; a repeat moves its end, never back. A task leaves nothing that could be wanted.
insert into openbell.demand as d (source, product, key, weight, job_class, expires_at)
select $1, u.product, u.key, u.weight, $5, openbell.now() + $6::interval
from unnest($2::text[], $3::text[], $4::integer[]) as u (product, key, weight)
left join openbell.product p on p.name = u.product
where p.kind is distinct from 'task'
order by u.product, u.key
on conflict (product, key, source) do update
set weight = excluded.weight, job_class = excluded.job_class, expires_at = greatest(d.expires_at, excluded.expires_at)
