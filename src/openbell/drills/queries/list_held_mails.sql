select d.id, d.message_id from openbell.delivery d where d.state = 'held' order by d.id
