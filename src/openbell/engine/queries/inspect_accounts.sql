-- The accounts of a provider ($1), of all its keys where it has several, and whether they have room for one call of $2 bytes;
-- `opens_at` when they have, null where that depends on calls in flight or on an operator. What has aged out of a window is free, though nobody has taken it off yet.
select a.subject, a.resource, a.period, a.closes::text as closes, least(a.granted, a.lowered_to) as granted, need.amount as need,
    (a.held - coalesce(g.gone, 0))::bigint as held,
    (a.spent + coalesce(g.charged, 0))::bigint as spent, (a.overrun - coalesce(g.excess, 0))::bigint as overrun,
    greatest(a.blocked_until, r.open_until) as blocked_until,
    case when r.open_until >= coalesce(a.blocked_until, r.open_until) then 'its breaker is open, ' || r.reason else a.blocked_reason end as blocked_reason,
    (select min(n.frees_at) from openbell.aging n where n.account_id = a.id and n.frees_at > openbell.now()) as frees_at,
    case when a.closes = 'age' and need.amount <= least(a.granted, a.lowered_to)
        then openbell.room_at(a.id, need.amount - (least(a.granted, a.lowered_to) - a.held - a.spent - a.overrun), openbell.now())
    end as opens_at
from openbell.account a
left join openbell.breaker r on r.provider = $1 and r.operation = '' and r.open_until > openbell.now()
cross join lateral (select case a.resource when 'bytes' then $2::bigint else 1 end as amount) need
left join lateral (
    select sum(n.amount) as gone, sum(n.charged) as charged, sum(n.excess) as excess
    from openbell.aging n where n.account_id = a.id and n.frees_at <= openbell.now()
) g on true
where a.subject = $1 or a.key_of = $1
order by a.subject, a.resource, a.period
