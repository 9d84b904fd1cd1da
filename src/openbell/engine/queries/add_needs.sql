-- The jobs are parked already; whoever publishes, or the sweep, wakes them when the last need has been met.
with needed as (
    insert into openbell.need (product, key, job_id)
    select n.product, n.key, j.id
    from unnest($1::bigint[]) as j (id), unnest($2::text[], $3::text[]) as n (product, key)
    on conflict do nothing
)
update openbell.job set reason = $4 where id = any ($1::bigint[]) and token is null
