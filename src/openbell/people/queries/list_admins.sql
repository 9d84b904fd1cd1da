select id, address, name, role, state, zone, plan, created_at, state_at, confirmed_at, approved_at, erased_at, mail_token
from openbell.person where role = 'admin' and state = 'active' order by id
