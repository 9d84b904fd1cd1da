select id, address, name, role, state, zone, plan, created_at, state_at, confirmed_at, approved_at, erased_at, mail_token
from openbell.person
where erased_at is null and ($1::text is null or state = $1)
    and ($2::text is null or strpos(address, lower($2)) > 0 or strpos(lower(name), lower($2)) > 0)
order by id desc limit $3
