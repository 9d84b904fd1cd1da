select d.kind, s.state, d.n, d.first
from unnest(array['ready', 'held', 'sent', 'skipped', 'cancelled', 'expired', 'failed', 'unknown']) as s (state)
cross join lateral (
    select o.kind, count(*)::integer as n, min(o.send_at) as first
    from openbell.delivery o
    where o.state = s.state and o.state_at > case when s.state in ('ready', 'held') then '-infinity'::timestamptz else (select openbell.now()) - interval '2 days' end
    group by o.kind
) d
order by d.kind, s.state
