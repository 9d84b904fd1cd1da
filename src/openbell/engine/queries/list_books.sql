-- The accounts of a subject ($1), resource ($2) and period ($3), each of them optional; with $4 also those of periods that have
-- ended. What has aged out, or is charged, is counted so, though nobody has taken it off the sums yet. `doubtful` is the part of
-- held of calls whose outcome is unknown. `burn` is what the calls of the last 24 hours have taken or hold, for what is charged,
-- and burn_since when the first of them was intended.
with book as materialized (
    select a.* from openbell.account a
    where ($1::text is null or a.subject = $1) and ($2::text is null or a.resource = $2) and ($3::text is null or a.period = $3)
        and ($4 or a.ends_at is null or a.ends_at > openbell.now())
), doubt as (
    select h.account_id, sum(h.amount) as amount, count(*) as calls
    from openbell.spend s join openbell.hold h on h.spend_id = s.id where s.state = 'unknown' and h.amount > 0 group by h.account_id
), charged as (
    select distinct b.resource from book b where b.closes = 'charge'
), burnt as (
    select who.subject, c.resource, sum(case
            when s.charged then coalesce(s.took ->> c.resource, s.held ->> c.resource)::bigint
            when s.state = 'released' then 0
            else (s.held ->> c.resource)::bigint end) as amount,
        min(s.intended_at) filter (where s.state <> 'released') as since
    from charged c
    join openbell.spend s on s.held ? c.resource and s.intended_at > (select openbell.now()) - interval '1 day'
    cross join lateral (values (s.provider), (s.on_behalf)) as who (subject)
    where who.subject is not null
    group by who.subject, c.resource
)
select b.id, b.subject, b.resource, b.period, b.closes::text as closes, b.span, b.ends_at, least(b.granted, b.lowered_to) as granted, b.extra,
    (b.held - coalesce(due.gone, 0))::bigint as held, (b.spent + coalesce(due.charged, 0))::bigint as spent,
    (b.overrun - coalesce(due.excess, 0))::bigint as overrun, coalesce(doubt.amount, 0)::bigint as doubtful,
    coalesce(doubt.calls, 0) as doubtful_calls, b.floors,
    case when b.blocked_until > openbell.now() then b.blocked_until end as blocked_until,
    case when b.blocked_until > openbell.now() then b.blocked_reason end as blocked_reason,
    frees.at as frees_at, coalesce(frees.amount, 0)::bigint as frees,
    case when b.closes = 'charge' then coalesce(burnt.amount, 0)::bigint end as burn,
    case when b.closes = 'charge' then burnt.since end as burn_since, openbell.now() as now
from book b
left join doubt on doubt.account_id = b.id
left join burnt on burnt.subject = b.subject and burnt.resource = b.resource
left join lateral (
    select sum(g.amount) as gone, sum(g.charged) as charged, sum(g.excess) as excess
    from openbell.aging g where g.account_id = b.id and g.frees_at <= (select openbell.now())
) due on true
left join lateral (
    select g.frees_at as at, sum(g.amount - g.charged + g.excess) as amount
    from openbell.aging g where g.account_id = b.id and g.frees_at > (select openbell.now()) group by g.frees_at order by g.frees_at limit 1
) frees on true
order by b.subject, b.resource, b.ends_at, b.period
