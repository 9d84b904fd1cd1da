select id from openbell.delivery where kind = 'digest' and state = 'ready' order by id limit $1
