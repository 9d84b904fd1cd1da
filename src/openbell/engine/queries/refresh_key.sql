-- An operator wishes a key made again: its value counts as due from now on, its last failure no longer keeps it waiting, nor a
-- pause. Nothing is changed, and false is answered, where only an operator may say what became of the failure ($4 is the year of
-- those). Who wished is in the audit log.
with free as (
    select not exists (select 1 from openbell.cooldown c where c.product = $1 and c.key = $2 and extract(year from c.retry_at) >= $4::integer) as it
), due as (
    update openbell.artifact a set fresh_until = (select openbell.now())
    from free where free.it and a.product = $1 and a.key = $2 and a.fresh_until > (select openbell.now())
    returning a.key
), forgotten as (
    delete from openbell.cooldown c using free where free.it and c.product = $1 and c.key = $2 returning c.key
), woken as (
    update openbell.job j set parked_until = null, reason = null
    from free where free.it and j.product = $1 and j.key = $2 and j.token is null and j.parked_until is not null
        and not exists (select 1 from openbell.need n where n.job_id = j.id)
    returning j.key
), written as (
    insert into openbell.audit (actor, action, target, after)
    select $3, 'key.refresh', $1 || ' ' || $2, jsonb_build_object('due', (select count(*) from due),
        'forgotten', (select count(*) from forgotten), 'woken', (select count(*) from woken))
    from free where free.it
    returning id
)
select free.it and (select count(*) from written) = 1 from free
