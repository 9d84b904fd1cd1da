with ended as (
    delete from openbell.meta where key = 'mail_stop' returning value
)
insert into openbell.audit (actor, action, target, before) select $1, 'mail.resume', 'all mail', value from ended returning id
