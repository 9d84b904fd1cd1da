select id, address, name, role, state, zone, plan, created_at, state_at, confirmed_at, approved_at, erased_at, mail_token
from openbell.person where address = $1
