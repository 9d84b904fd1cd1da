-- Sets what $2 holds, for the reason $4, if the product is still as at revision $5; null stands for any.
with old as (
    select to_jsonb(p) - 'seeded' as was from openbell.product p where p.name = $1 and p.revision = coalesce($5, p.revision) for update
), set_to as (
    update openbell.product p set
        ttl = coalesce(($2::jsonb ->> 'ttl')::interval, p.ttl),
        stale_ttl = coalesce(($2::jsonb ->> 'stale_ttl')::interval, p.stale_ttl),
        empty_ttl = coalesce(($2::jsonb ->> 'empty_ttl')::interval, p.empty_ttl),
        retry_ttl = coalesce(($2::jsonb ->> 'retry_ttl')::interval, p.retry_ttl),
        keep_for = coalesce(($2::jsonb ->> 'keep_for')::interval, p.keep_for),
        timeout = coalesce(($2::jsonb ->> 'timeout')::interval, p.timeout),
        patience = coalesce(($2::jsonb ->> 'patience')::interval, p.patience),
        max_attempts = coalesce(($2::jsonb ->> 'max_attempts')::smallint, p.max_attempts),
        max_bytes = coalesce(($2::jsonb ->> 'max_bytes')::integer, p.max_bytes),
        calls = coalesce(($2::jsonb ->> 'calls')::integer, p.calls),
        bytes = coalesce(($2::jsonb ->> 'bytes')::bigint, p.bytes),
        enabled = coalesce(($2::jsonb ->> 'enabled')::boolean, p.enabled),
        changed_at = openbell.now()
    from old where p.name = $1 and p.revision = coalesce($5, p.revision)
    returning p.*
)
insert into openbell.audit (actor, action, target, before, after)
select $3, 'product.set', $1, old.was, $2::jsonb || jsonb_strip_nulls(jsonb_build_object('reason', $4::text)) from old, set_to
returning target
