insert into openbell.need (product, key, job_id)
select n.product, n.key, j.id
from unnest($1::bigint[]) as j (id), unnest($2::text[], $3::text[]) as n (product, key)
where not exists (
    select 1 from openbell.artifact a where a.product = n.product and a.key = n.key and a.fresh_until > openbell.now())
on conflict do nothing
returning job_id
