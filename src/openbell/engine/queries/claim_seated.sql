-- As claim_jobs, under the limits of openbell.seat_limit.
select j.id, j.product, j.key, j.token, j.attempt, j.max_attempts, j.job_class, j.queued_at, j.started_at as now, p.timeout,
    p.ttl, p.stale_ttl, p.empty_ttl, p.retry_ttl, j.args,
    p.kind = 'task' or exists (
        select 1 from openbell.demand d where d.product = j.product and d.key = j.key and d.expires_at > j.started_at) as wanted,
    greatest(
        (select a.fresh_until - openbell.lead(p.ttl) from openbell.artifact a where a.product = j.product and a.key = j.key),
        (select c.retry_at from openbell.cooldown c where p.kind = 'artifact' and c.product = j.product and c.key = j.key)
    ) as refresh_at
from openbell.claim_seated(
    array(
        select p.name from openbell.product p
        where p.name = any ($1::text[]) and p.enabled
            and exists (select 1 from openbell.worker w where w.id = $3 and not w.gone)
            and not exists (select 1 from openbell.account a where a.subject = p.provider and a.blocked_until > openbell.now()
                and not openbell.has_open_key(p.provider, openbell.now()))
            and not exists (select 1 from openbell.breaker b where b.provider = p.provider and b.operation = '' and b.open_until > openbell.now())
    ), $2, $3, $4) j
join openbell.product p on p.name = j.product
