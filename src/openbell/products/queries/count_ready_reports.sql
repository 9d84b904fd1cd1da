select count(*) from openbell.delivery where kind = 'digest' and state = 'ready'
