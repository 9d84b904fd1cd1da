select id from openbell.delivery where kind like 'digest%' and state in ('ready', 'held') order by id limit $1
