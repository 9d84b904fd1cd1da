-- "openbell" as bytes, so that no other program's lock is likely to meet it.
select pg_try_advisory_lock(x'6f70656e62656c6c'::bit(64)::bigint)
