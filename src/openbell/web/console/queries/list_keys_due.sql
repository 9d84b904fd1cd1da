-- What is wanted of product $1 (null: of all), of a key that holds $2 (null: any), in the state $3 (null: any; late is due for longer
-- than $4), the longest due first, at most $5: with who wants it and when it was checked last.
with clock as materialized (
    select openbell.now() as t
), wanted as (
    select d.product, d.key, sum(d.weight) filter (where d.source like 'web:%') as viewers,
        array_agg(distinct case when d.source like 'schedule:%' then d.source else split_part(d.source, ':', 1) end)
            filter (where d.source not like 'web:%') as sources
    from openbell.demand d cross join clock
    where d.expires_at > clock.t and ($1::text is null or d.product = $1) and ($2::text is null or position(lower($2) in lower(d.key)) > 0)
    group by d.product, d.key
), judged as (
    select w.*, a.key is null as missing, a.checked_at, a.fresh_until, clock.t,
        case when a.fresh_until is null then coalesce(c.at, j.queued_at, clock.t) when a.fresh_until <= clock.t then a.fresh_until end as due_at
    from wanted w
    cross join clock
    left join openbell.artifact a on a.product = w.product and a.key = w.key
    left join openbell.cooldown c on a.key is null and c.product = w.product and c.key = w.key
    left join openbell.job j on a.key is null and j.product = w.product and j.key = w.key
)
select j.product, j.key, coalesce(j.viewers, 0)::bigint as viewers, coalesce(j.sources, '{}') as sources, j.missing, j.checked_at, j.fresh_until, j.due_at,
    j.t as now, exists (select 1 from openbell.poll l where l.product = j.product and l.key = j.key) as polled
from judged j
where case $3::text
    when 'late' then j.due_at < j.t - $4::interval
    when 'due' then j.due_at is not null
    when 'missing' then j.missing
    when 'fresh' then j.due_at is null
    else true end
order by j.due_at nulls last, j.product, j.key
limit $5
