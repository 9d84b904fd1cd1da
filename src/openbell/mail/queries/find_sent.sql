select d.id, d.sent_to from openbell.delivery d where d.message_id = $1 and d.state in ('sent', 'unknown')
