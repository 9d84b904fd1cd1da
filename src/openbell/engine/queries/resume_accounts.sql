-- End the pauses of all accounts of $1, those of all its keys, and write that into the audit log for $2 with the reason $3; how many there were.
with paused as (
    select a.id, a.subject, a.resource, a.period, a.blocked_until, a.blocked_reason
    from openbell.account a where (a.subject = $1 or a.key_of = $1) and a.blocked_until > (select openbell.now())
    for update
), resumed as (
    update openbell.account a set blocked_until = null, blocked_reason = null from paused p where a.id = p.id
), audited as (
    insert into openbell.audit (actor, action, target, before, after)
    select $2, 'account.resume', p.subject || ' ' || p.resource || ' ' || p.period,
        jsonb_build_object('until', p.blocked_until, 'reason', p.blocked_reason), jsonb_build_object('reason', $3::text)
    from paused p
)
select count(*) from paused
