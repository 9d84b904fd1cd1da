-- Wants what viewers are likely to open next: of keys that are watched through a product of the kind $2 of $1, the products $3 of
-- the same kind $4, in the class $5, for $6, so many at once that $7 are wanted, where the flag $9 is on for the key. Only from what is
-- spare and costs nothing by itself: no account of the provider may then be used for more than the share $8, nor for what it keeps for more urgent classes,
-- and nobody may be waiting for the provider.
with clock as materialized (
    select openbell.now() as t
), watched as materialized (
    select d.key, k.kind, count(distinct d.product) as parts, sum(d.weight) as viewers
    from clock, openbell.demand d join unnest($1::text[], $2::text[]) as k (product, kind) on k.product = d.product
    where d.expires_at > clock.t and d.job_class = 0
    group by d.key, k.kind
    order by parts desc, viewers desc, d.key limit 100
), room as materialized (
    -- What is spare of each resource and period: over all keys of the provider, and nothing on a key that is paused.
    select s.provider, min(s.spare) filter (where s.resource = 'calls') as calls, min(s.spare) filter (where s.resource = 'bytes') as bytes
    from (
        select coalesce(a.key_of, a.subject) as provider, a.resource, a.period,
            sum(case when exists (
                    select 1 from openbell.account b
                    where b.subject = a.subject and b.blocked_until > clock.t) then 0
                else greatest(0, least(
                    floor(least(a.granted, a.lowered_to) * $8::float8)::bigint,
                    least(a.granted, a.lowered_to) - coalesce((select sum(f.value::bigint) from jsonb_each_text(a.floors) f where f.key::smallint < $5), 0)
                ) - a.held - a.spent - a.overrun) end) as spare
        from clock, openbell.account a
        where (a.ends_at is null or a.ends_at > clock.t) and a.resource in ('calls', 'bytes')
            and not exists (
                select 1 from openbell.account m
                where m.subject in (a.subject, a.key_of) and m.resource in ('usd_micro', 'credits'))
        group by coalesce(a.key_of, a.subject), a.resource, a.period
    ) s group by s.provider
), busy as materialized (
    select distinct p.provider from openbell.job j join openbell.product p on p.name = j.product
    where j.job_class < $5 and j.token is null and j.parked_until is null
), at_once as materialized (
    select count(*) as n from openbell.prefetch f where f.made_at is null
), candidate as (
    select n.product, w.key, p.provider, p.calls, p.bytes, w.parts, w.viewers, clock.t
    from clock, watched w
    join unnest($3::text[], $4::text[]) as n (product, kind) on n.kind = w.kind
    join openbell.product p on p.name = n.product and p.enabled
    left join openbell.artifact a on a.product = n.product and a.key = w.key
    where (a.fresh_until is null or a.fresh_until <= clock.t)
        and not exists (select 1 from openbell.demand d where d.product = n.product and d.key = w.key and d.expires_at > clock.t)
        and not exists (select 1 from openbell.job j where j.product = n.product and j.key = w.key)
        and not exists (select 1 from openbell.cooldown c where c.product = n.product and c.key = w.key and c.retry_at > clock.t)
        and not exists (select 1 from openbell.breaker b where b.provider = p.provider and b.operation = '' and b.open_until > clock.t)
        and not exists (
            select 1 from openbell.cooldown c where c.product = n.product and c.code = 'endpoint_not_in_plan' and c.retry_at > clock.t)
        and p.provider not in (select b.provider from busy b)
        and exists (select 1 from openbell.flag f where f.name = $9 and openbell.is_on(f, w.key))
), summed as (
    select c.*, sum(c.calls) over so_far as calls_so_far, sum(c.bytes) over so_far as bytes_so_far, row_number() over (order by c.parts desc, c.viewers desc, c.key, c.product) as n
    from candidate c
    window so_far as (partition by c.provider order by c.parts desc, c.viewers desc, c.key, c.product rows unbounded preceding)
), chosen as materialized (
    select s.product, s.key, s.t from summed s join room r on r.provider = s.provider
    where s.calls_so_far <= r.calls and (r.bytes is null or s.bytes_so_far <= r.bytes) and s.n <= greatest(0, $7 - (select o.n from at_once o))
), noted as (
    insert into openbell.prefetch as f (product, key, asked_at) select c.product, c.key, c.t from chosen c
    on conflict (product, key) do update set asked_at = excluded.asked_at, made_at = null, fresh_until = null
)
insert into openbell.demand as d (source, product, key, weight, job_class, expires_at)
select 'prefetch', c.product, c.key, 1, $5, c.t + $6::interval from chosen c
on conflict (product, key, source) do update set expires_at = excluded.expires_at
returning product, key
