-- Who never answered from their address, for longer than $1, at most $2; held, so that nobody is
-- forgotten who answers right now. Admins are kept: they were named by the operator.
select p.id from openbell.person p
where p.state = 'pending' and p.confirmed_at is null and p.erased_at is null and p.role <> 'admin'
    and greatest(p.state_at, p.created_at) < (select openbell.now()) - $1::interval
    and not exists (
        select 1 from openbell.link l where l.person_id = p.id and l.created_at > (select openbell.now()) - $1::interval
    )
order by p.id
limit $2 for update of p skip locked
