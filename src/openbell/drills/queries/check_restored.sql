-- What must hold of a restored database, each a number of rows against it.
select (select count(*) from openbell.account a where a.held <>
            coalesce((select sum(h.amount) from openbell.hold h where h.account_id = a.id), 0)
            + coalesce((select sum(g.amount) from openbell.aging g where g.account_id = a.id), 0)) as accounts_off,
    (select count(*) from openbell.account a where a.held + a.spent > a.granted) as accounts_over,
    (select count(*) from openbell.artifact a where a.version > 0 and not exists (
        select 1 from openbell.version v where v.product = a.product and v.key = a.key and v.version = a.version)) as artifacts_torn,
    (select count(*) from openbell.job j where j.token is not null) as jobs_running,
    (select count(*) from openbell.spend s where s.ended_at is null and s.provider_ref is null) as spends_open,
    (select count(*) from openbell.worker) as workers,
    (select count(*) from openbell.delivery d where d.state = 'ready') as mails_ready,
    (select count(*) from openbell.account a where a.closes = 'charge' and a.subject not like 'person %' and a.blocked_until is null) as budgets_open
