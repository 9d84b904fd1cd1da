with erased as (
    update openbell.person
    set address = null, name = '', mail_token = null, state = 'left', role = 'subscriber', erased_at = (select openbell.now()),
        state_at = (select openbell.now())
    where id = $1
    returning id
)
insert into openbell.audit (actor, action, target) select $2, 'person.erase', 'person ' || erased.id from erased
