-- The calls of the last day, by provider and, where $1 names one, by operation of it: those of the last hour and all, of which
-- the provider refused some and some failed or are in doubt; what took how long, in seconds, of those that were answered. $2 are
-- the outcomes of calls that did what they were made for. Calls that never left are `held_back`.
with clock as materialized (
    select openbell.now() as t
), made as (
    select s.provider, case when $1::text is not null then s.operation end as operation, s.intended_at > clock.t - interval '1 hour' as lately,
        s.state, s.outcome, s.cost_micro,
        s.state = 'released' and coalesce(s.took, '{}') = '{}' as kept,
        s.state = 'released' and s.took <> '{}' as refused,
        case when s.state = 'settled' then extract(epoch from s.ended_at - coalesce(s.sent_at, s.tried_at))::float8 end as took_s
    from clock, openbell.spend s
    where s.intended_at > clock.t - interval '1 day' and ($1::text is null or s.provider = $1)
)
select m.provider, m.operation,
    count(*) filter (where not m.kept) as calls, count(*) filter (where not m.kept and m.lately) as calls_hour,
    count(*) filter (where m.refused) as refused, count(*) filter (where m.refused and m.lately) as refused_hour,
    count(*) filter (where m.kept) as held_back, count(*) filter (where m.kept and m.lately) as held_back_hour,
    count(*) filter (where m.state = 'settled' and m.outcome <> all ($2::text[])) as failed,
    count(*) filter (where m.state = 'settled' and m.outcome <> all ($2::text[]) and m.lately) as failed_hour,
    count(*) filter (where m.state = 'unknown') as unknown,
    sum(m.cost_micro)::bigint as cost_micro,
    percentile_cont(array[0.5, 0.95]) within group (order by m.took_s) filter (where m.lately and m.took_s is not null) as hour_s,
    percentile_cont(array[0.5, 0.95]) within group (order by m.took_s) filter (where m.took_s is not null) as day_s
from made m group by m.provider, m.operation order by m.provider, m.operation
