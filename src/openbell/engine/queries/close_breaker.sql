-- Closes the breaker of $1, or of its operation $2, for the reason $3, if it is still as its author $4 has seen it: until when it
-- was open ($5).
with gone as (
    delete from openbell.breaker b where b.provider = $1 and b.operation = $2 and b.open_until = $5 returning b.*
)
insert into openbell.audit (actor, action, target, before, after)
select $4, 'breaker.close', rtrim($1 || ' ' || $2), to_jsonb(gone), jsonb_build_object('reason', $3::text) from gone
returning true
