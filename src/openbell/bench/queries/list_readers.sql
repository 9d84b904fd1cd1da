select p.id from openbell.person p order by p.id limit $1
