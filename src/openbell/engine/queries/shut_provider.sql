-- Opens the breaker of $1, or of its operation $2, by hand for the span $3 and the reason $4, if it is still as its author $5 has
-- seen it: until when it was open ($6), null for closed. A probe that is under way closes nothing then. The end of its span, or
-- no row when somebody was first.
with old as (
    select b.* from openbell.breaker b where b.provider = $1 and b.operation = $2 for update
), made as (
    insert into openbell.breaker as b (provider, operation, opened_at, open_until, code, reason)
    select $1, $2, openbell.now(), openbell.now() + $3::interval, 'by_hand', $4
    where $6::timestamptz is not distinct from (select old.open_until from old)
    on conflict (provider, operation) do update
    set open_until = excluded.open_until, code = excluded.code, reason = excluded.reason, openings = 1, probe = null
    where b.open_until = $6::timestamptz
    returning b.open_until
), noted as (
    insert into openbell.audit (actor, action, target, before, after)
    select $5, 'breaker.open', rtrim($1 || ' ' || $2), (select to_jsonb(old) from old), jsonb_build_object('open_until', made.open_until, 'reason', $4::text)
    from made
)
select open_until from made
