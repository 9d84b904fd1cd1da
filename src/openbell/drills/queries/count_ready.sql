select count(*) from openbell.delivery where state = 'ready'
