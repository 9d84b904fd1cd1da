select count(*) from openbell.delivery d where d.state = 'ready'
