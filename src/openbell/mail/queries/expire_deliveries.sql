-- Who sends looks again before it does, so that nothing is done to what is being sent at this moment.
update openbell.delivery d set state = 'expired', state_at = (select openbell.now()), note = 'not sent in its time'
where d.state in ('ready', 'held') and d.expires_at <= (select openbell.now())
    and not exists (select 1 from openbell.job j where j.product = 'mail-delivery' and j.key = d.id::text and j.token is not null)
