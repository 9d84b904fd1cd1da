-- The smallest thing that tells a watcher whether to read again.
select u.product, u.key, a.version, a.checked_at, a.fresh_until, a.state::text as stored,
    j.state::text as job_state, c.at as setback_at
from unnest($1::text[], $2::text[]) as u (product, key)
left join openbell.artifact a on a.product = u.product and a.key = u.key
left join openbell.job j on j.product = u.product and j.key = u.key
left join openbell.cooldown c on c.product = u.product and c.key = u.key
