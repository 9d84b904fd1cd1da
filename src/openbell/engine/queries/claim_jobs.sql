-- Class, then number, then age; rows that others hold are skipped. Products of a paused or full provider are left
-- waiting; a worker that counts as gone gets nothing until it has registered anew. One fresh token for the claim: every
-- later write of these attempts carries it. Only unindexed columns change.
with clock as materialized (
    select openbell.now() as t
), claim as materialized (
    -- Losing a claim in a crash loses nothing, and every write of value after it is durable together with it.
    select openbell.new_token() as token, set_config('synchronous_commit', 'off', true)
), open_product as materialized (
    select p.name, p.timeout, p.kind, p.ttl, p.stale_ttl, p.empty_ttl, p.retry_ttl
    from openbell.product p, clock
    where p.name = any ($1::text[]) and p.enabled
        and exists (select 1 from openbell.worker w where w.id = $3 and not w.gone)
        and not exists (select 1 from openbell.account a where a.subject = p.provider and a.blocked_until > clock.t
            and not openbell.has_open_key(p.provider, clock.t))
        and not exists (select 1 from openbell.breaker b where b.provider = p.provider and b.operation = '' and b.open_until > clock.t)
), picked as (
    select j.id
    from openbell.job j
    where not j.bundled and j.parked_until is null and j.token is null
        and array_position($2::smallint[], j.job_class) is not null and j.product in (select name from open_product)
    order by j.job_class, (-j.number), j.id
    limit $4 for update skip locked
)
update openbell.job j
set attempt = j.attempt + 1, worker = $3, token = claim.token, started_at = clock.t
from picked, clock, claim, open_product p
where j.id = picked.id and p.name = j.product
returning j.id, j.product, j.key, j.token, j.attempt, j.max_attempts, j.job_class, j.queued_at, clock.t as now, p.timeout,
    p.ttl, p.stale_ttl, p.empty_ttl, p.retry_ttl, j.args,
    p.kind = 'task' or exists (
        select 1 from openbell.demand d where d.product = j.product and d.key = j.key and d.expires_at > clock.t) as wanted,
    greatest(
        (select a.fresh_until - openbell.lead(p.ttl) from openbell.artifact a where a.product = j.product and a.key = j.key),
        (select c.retry_at from openbell.cooldown c where p.kind = 'artifact' and c.product = j.product and c.key = j.key)
    ) as refresh_at
