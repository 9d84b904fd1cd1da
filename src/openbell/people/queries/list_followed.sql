select distinct f.ticker
from openbell.follow f join openbell.person p on p.id = f.person_id
where p.state = 'active' and openbell.wants_mail(p.id, 'digest')
order by f.ticker
