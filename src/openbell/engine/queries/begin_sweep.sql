-- A row for the one process whose beat this is, with what there is to do; no row for the others.
update openbell.duty set next_at = openbell.now() + $1::interval
where name = 'sweep' and next_at <= openbell.now()
returning exists (select 1 from openbell.demand d where d.expires_at > (select openbell.now())) as demanded,
    exists (select 1 from openbell.job j where j.parked_until <= (select openbell.now())) as parked,
    exists (select 1 from openbell.need) as needy
