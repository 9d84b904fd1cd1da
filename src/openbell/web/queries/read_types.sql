-- One row a data type: policy, demand and freshness now, and over the last $1 its jobs, calls, bytes and refused answers.
with wanted as (
    select d.product, count(*) as keys, count(*) filter (where a.fresh_until > (select openbell.now())) as fresh,
        count(*) filter (where a.key is null) as missing,
        extract(epoch from max((select openbell.now()) - a.fresh_until) filter (where a.fresh_until <= (select openbell.now())))::float8 as oldest_due_s
    from (select distinct product, key from openbell.demand where expires_at > (select openbell.now())) d
    left join openbell.artifact a on a.product = d.product and a.key = d.key
    group by d.product
), kept as (
    select a.product, count(*) as keys, count(*) filter (where a.state = 'empty') as empty from openbell.artifact a group by a.product
), ended as (
    select h.product, count(*) filter (where h.outcome in ('done', 'unchanged', 'empty', 'outdated')) as succeeded,
        count(*) filter (where h.outcome in ('failed', 'expired')) as failed,
        mode() within group (order by h.code) filter (where h.outcome = 'failed') as most_frequent
    from openbell.job_history h where h.finished_at > (select openbell.now()) - $1::interval group by h.product
), spent as (
    select s.product, count(*) as calls, coalesce(sum((s.took ->> 'bytes')::bigint), 0)::bigint as bytes,
        coalesce(sum(s.cost_micro), 0)::bigint as cost_micro
    from openbell.spend s where s.intended_at > (select openbell.now()) - $1::interval group by s.product
), refused as (
    select r.product, count(*) as answers from openbell.rejected r where r.rejected_at > (select openbell.now()) - $1::interval group by r.product
), prefetched as (
    select c.product, sum(c.made)::bigint as made, sum(c.hits)::bigint as hits, sum(c.missed)::bigint as missed
    from openbell.prefetch_count c where c.day >= ((select openbell.now()) - $1::interval)::date group by c.product
), cooling as (
    select c.product, count(*) as keys from openbell.cooldown c where c.retry_at > (select openbell.now()) group by c.product
), listed as (
    select l.product, count(*) as keys, count(*) filter (where openbell.is_on(f, l.key)) as taken_over
    from openbell.poll l left join openbell.flag f on f.name = 'demand-' || l.product group by l.product
), challenged as (
    select h.of as product, jsonb_agg(jsonb_build_object('name', h.name, 'mode', f.mode, 'share', f.share,
        'compared', t.compared, 'unlike', t.unlike) order by h.name) as challengers
    from openbell.challenge h join openbell.flag f on f.name = h.name and f.mode <> 'off'
    left join lateral (
        select count(*) filter (where r.verdict <> 'moved') as compared, count(*) filter (where r.verdict in ('different', 'missing', 'extra')) as unlike
        from openbell.trial r where r.challenger = h.name and r.at > (select openbell.now()) - $1::interval
    ) t on true
    group by h.of
)
select p.name as product, p.provider, p.enabled, extract(epoch from p.ttl)::float8 as ttl_s,
    coalesce(w.keys, 0) as wanted, coalesce(w.fresh, 0) as fresh, coalesce(w.missing, 0) as missing, w.oldest_due_s,
    coalesce(k.keys, 0) as stored, coalesce(k.empty, 0) as empty,
    coalesce(e.succeeded, 0) as succeeded, coalesce(e.failed, 0) as failed, e.most_frequent,
    coalesce(s.calls, 0) as calls, coalesce(s.bytes, 0) as bytes, coalesce(s.cost_micro, 0) as cost_micro,
    coalesce(r.answers, 0) as refused, coalesce(c.keys, 0) as cooling,
    coalesce(l.keys, 0) as polled, coalesce(l.taken_over, 0) as taken_over, f.mode as flag, f.share,
    coalesce(h.challengers, '[]') as challengers,
    coalesce(b.made, 0) as prefetched, coalesce(b.hits, 0) as prefetch_hits, coalesce(b.missed, 0) as prefetch_missed
from openbell.product p
left join wanted w on w.product = p.name
left join kept k on k.product = p.name
left join ended e on e.product = p.name
left join spent s on s.product = p.name
left join refused r on r.product = p.name
left join prefetched b on b.product = p.name
left join cooling c on c.product = p.name
left join listed l on l.product = p.name
left join challenged h on h.product = p.name
left join openbell.flag f on f.name = 'demand-' || p.name
where p.kind = 'artifact'
order by p.name
