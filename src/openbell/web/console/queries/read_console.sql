select
    (select count(*) from openbell.person p where p.erased_at is null and p.state = 'active') as active,
    (select count(*) from openbell.person p where p.state = 'pending' and p.confirmed_at is not null) as asking,
    (select count(*) from openbell.delivery d where d.state = 'ready') as ready,
    (select count(*) from openbell.delivery d where d.state = 'held') as held,
    (select count(*) from openbell.delivery d where d.state in ('failed', 'unknown') and d.state_at > (select openbell.now()) - interval '2 days') as trouble,
    (select min(d.send_at) from openbell.delivery d where d.state = 'ready') as next_at,
    (select openbell.now()) as now
