-- What the spends that were intended from $2 on have cost, by the parts that $1 names. $3 are the outcomes of calls that did what
-- they were made for. A call is `failed` when it has happened and did not, also when the provider refused it; `unknown` when
-- nobody knows; `open` while it is under way. What was held, what it cost, and what such a call is expected to take (the average
-- that was learnt from $5 or more, else what was held) are told of the calls that were charged. A
-- released call that brought something was refused by the provider; the others never reached it and are left out. With $4 only
-- of calls that are paid for.
with spent as (
    select * from openbell.spend s where not $4 and s.intended_at >= $2
    union all
    select * from openbell.spend s where $4 and s.intended_at >= $2 and s.held ?| array['usd_micro', 'credits']
), part as (
    select case when $1 in ('product', 'operation') then s.product end as product,
        case when $1 in ('provider', 'operation') then s.provider end as provider,
        case when $1 = 'operation' then s.operation end as operation,
        case when $1 = 'user' then coalesce(s.on_behalf, '') end as on_behalf,
        case when $1 in ('week', 'day') then date_trunc($1, s.intended_at at time zone 'UTC') end as period,
        s.charged, s.state = 'unknown' as unknown, s.ended_at is null as open,
        s.state = 'settled' and s.outcome <> all ($3::text[]) or s.state = 'released' as failed,
        s.cost_micro, coalesce((s.held ->> 'usd_micro')::bigint, 0) as held_micro,
        coalesce((s.held ->> 'credits')::bigint, 0) as held_credits,
        coalesce(s.took ->> 'credits', s.held ->> 'credits', '0')::bigint as credits,
        case when s.held ? 'usd_micro' then coalesce(round(m.average)::bigint, (s.held ->> 'usd_micro')::bigint) else 0 end as estimate_micro,
        case when s.held ? 'credits' then coalesce(round(c.average)::bigint, (s.held ->> 'credits')::bigint) else 0 end as estimate_credits
    from spent s
    left join openbell.estimate m on m.product = s.product and m.provider = s.provider and m.operation = s.operation
        and m.resource = 'usd_micro' and m.samples >= $5
    left join openbell.estimate c on c.product = s.product and c.provider = s.provider and c.operation = s.operation
        and c.resource = 'credits' and c.samples >= $5
    where s.state <> 'released' or s.took <> '{}'
)
select p.product, p.provider, p.operation, p.on_behalf,
    to_char(p.period, case $1 when 'week' then 'IYYY"-W"IW' else 'YYYY-MM-DD' end) as period,
    count(*) filter (where not p.open) as calls,
    count(*) filter (where p.failed) as failed,
    count(*) filter (where p.unknown) as unknown,
    count(*) filter (where p.open) as open,
    coalesce(sum(p.cost_micro) filter (where p.charged), 0)::bigint as cost_micro,
    coalesce(sum(p.cost_micro) filter (where p.charged and p.failed), 0)::bigint as failed_micro,
    coalesce(sum(p.held_micro) filter (where p.charged), 0)::bigint as held_micro,
    coalesce(sum(p.estimate_micro) filter (where p.charged), 0)::bigint as estimate_micro,
    coalesce(sum(p.held_micro) filter (where p.unknown and not p.charged), 0)::bigint as unknown_micro,
    coalesce(sum(p.held_micro) filter (where p.open and not p.charged), 0)::bigint as open_micro,
    coalesce(sum(p.credits) filter (where p.charged), 0)::bigint as credits,
    coalesce(sum(p.held_credits) filter (where p.charged), 0)::bigint as held_credits,
    coalesce(sum(p.estimate_credits) filter (where p.charged), 0)::bigint as estimate_credits,
    coalesce(sum(p.held_credits) filter (where p.unknown and not p.charged), 0)::bigint as unknown_credits
from part p
group by p.product, p.provider, p.operation, p.on_behalf, p.period
order by p.period, cost_micro desc, calls desc, p.product, p.provider, p.operation, p.on_behalf
