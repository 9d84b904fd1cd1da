select p.id, p.address, p.name, p.role, p.state, p.zone, p.plan, p.created_at, p.state_at, p.confirmed_at, p.approved_at, p.erased_at, p.mail_token
from openbell.follow f join openbell.person p on p.id = f.person_id
where f.ticker = $1 and p.state = 'active' and openbell.wants_mail(p.id, 'digest')
order by p.id
