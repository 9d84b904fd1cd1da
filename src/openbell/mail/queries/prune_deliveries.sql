-- Mails that ended longer than $1 ago, at most $2; what is in doubt waits for an operator.
delete from openbell.delivery d
where d.id in (
    select old.id from openbell.delivery old
    where old.state in ('sent', 'skipped', 'cancelled', 'expired', 'failed')
        and old.expires_at < (select openbell.now()) - $1::interval and old.state_at < (select openbell.now()) - $1::interval
    limit $2
)
