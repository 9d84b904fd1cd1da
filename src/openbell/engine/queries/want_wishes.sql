-- As want_keys, for many sources at once: the longest of what a source wants of a key counts.
insert into openbell.demand as d (source, product, key, weight, job_class, expires_at)
select u.source, u.product, u.key, 1, $5, openbell.now() + max(u.lasts)
from unnest($1::text[], $2::text[], $3::text[], $4::interval[]) as u (source, product, key, lasts)
left join openbell.product p on p.name = u.product
where p.kind is distinct from 'task'
group by u.source, u.product, u.key
order by u.product, u.key, u.source
on conflict (product, key, source) do update
set weight = excluded.weight, job_class = excluded.job_class, expires_at = greatest(d.expires_at, excluded.expires_at)
