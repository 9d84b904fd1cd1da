-- Who gets an edition by mail: its person, or of everybody's those who have none of their own this week.
select p.id, p.address, p.name, p.role, p.state, p.zone, p.plan, p.created_at, p.state_at, p.confirmed_at, p.approved_at,
    p.erased_at, p.mail_token
from openbell.person p
where p.state = 'active' and p.erased_at is null and openbell.wants_mail(p.id, 'picks')
    and case when $2::bigint is null
        then not exists (select 1 from openbell.picks_slot s where s.person_id = p.id and s.week = $1 and s.status <> 'error')
        else p.id = $2 end
order by p.id limit 100000
