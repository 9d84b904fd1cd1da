select a.id, a.subject, a.resource, a.period, a.closes::text as closes, a.span, least(a.granted, a.lowered_to) as granted,
    (a.held - coalesce(g.gone, 0))::bigint as held, (a.spent + coalesce(g.charged, 0))::bigint as spent, (a.overrun - coalesce(g.excess, 0))::bigint as overrun,
    case when a.blocked_until > openbell.now() then a.blocked_until end as blocked_until,
    case when a.blocked_until > openbell.now() then a.blocked_reason end as blocked_reason,
    (select min(n.frees_at) from openbell.aging n where n.account_id = a.id and n.frees_at > openbell.now()) as frees_at
from openbell.account a
left join lateral (
    select sum(n.amount) as gone, sum(n.charged) as charged, sum(n.excess) as excess from openbell.aging n where n.account_id = a.id and n.frees_at <= openbell.now()
) g on true
order by a.subject, a.resource, a.period
