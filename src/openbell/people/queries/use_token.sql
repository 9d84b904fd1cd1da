-- When it was used is told to the minute, so that a busy program does not write a row at each call.
with found as (
    select id, person_id, scope, used_at from openbell.api_token where hash = $1 and revoked_at is null
), noted as (
    update openbell.api_token t set used_at = (select openbell.now())
    from found where t.id = found.id and (found.used_at is null or found.used_at < (select openbell.now()) - interval '1 minute')
)
select person_id, scope from found
