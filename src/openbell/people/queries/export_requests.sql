select c.product, c.key, c.at, s.state::text as credit
from openbell.credit c join openbell.spend s on s.id = c.spend_id
where c.person_id = $1 order by c.at
