-- Used by exactly one of two clicks at once: the row is locked, and read again by who waited.
with found as materialized (
    select hash, person_id, used_at, expires_at from openbell.link where hash = $1 and purpose = $2 for update
), used as (
    update openbell.link l set used_at = (select openbell.now())
    from found where l.hash = found.hash and found.used_at is null and found.expires_at > (select openbell.now())
    returning l.hash
)
select person_id, used_at is not null as used, exists (select 1 from used) as fresh from found
