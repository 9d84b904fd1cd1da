-- What is known of each key, in the order asked; a key of which nothing is known still gives a row. Creates nothing.
select u.product, u.key, openbell.now() as now, p.version as producer_version, p.provider, p.enabled,
    a.version, a.state::text as stored, a.checked_at, a.changed_at, a.source_time, a.fresh_until, a.stale_until,
    v.value, v.provenance, v.licence, v.cost_micro,
    j.id as job_id, j.state::text as job_state, nullif(j.parked_until, 'infinity') as job_run_at, j.attempt as job_attempt, j.reason as job_reason,
    j.progress as job_progress, j.queued_at as job_queued_at,
    b.blocked_until, b.blocked_reason,
    a.calendar, h.opens_at, h.closes_at, h.next_at, h.closes_at + openbell.after_close() as settles_at,
    exists (select 1 from openbell.demand d where d.product = u.product and d.key = u.key and d.expires_at > openbell.now()) as demanded,
    c.code as setback_code, c.message as setback_message, c.at as setback_at, c.retry_at as setback_retry_at
from unnest($1::text[], $2::text[]) with ordinality as u (product, key, n)
left join openbell.product p on p.name = u.product
left join openbell.artifact a on a.product = u.product and a.key = u.key
left join lateral openbell.hours_at(a.calendar, openbell.now()) h on a.calendar is not null
left join openbell.version v on v.product = a.product and v.key = a.key and v.version = a.version
left join openbell.job j on j.product = u.product and j.key = u.key
left join openbell.cooldown c on c.product = u.product and c.key = u.key
left join lateral (
    select x.until as blocked_until, x.reason as blocked_reason from (
        select t.blocked_until as until, t.blocked_reason as reason from openbell.account t where t.subject = p.provider and t.blocked_until > openbell.now()
            and not openbell.has_open_key(p.provider, openbell.now())
        union all
        select r.open_until, 'the breaker of ' || r.provider || ': ' || r.reason from openbell.breaker r where r.provider = p.provider and r.operation = ''
    ) x
    where j.id is not null and x.until > openbell.now()
    order by x.until desc limit 1
) b on true
order by u.n
