select p.id, p.address, p.name, p.role, p.state, p.zone, p.plan, p.created_at, p.state_at, p.confirmed_at, p.approved_at, p.erased_at, p.mail_token
from openbell.visit s join openbell.person p on p.id = s.person_id
where s.hash = $1 and s.expires_at > (select openbell.now()) and p.state in ('active', 'paused', 'left') and p.erased_at is null
