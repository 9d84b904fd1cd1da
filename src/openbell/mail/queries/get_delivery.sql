select d.id, d.kind, d.artifact, d.version, d.person_id, d.address, d.list, d.ticker, d.message_id, d.send_at, d.expires_at, d.state, d.was, d.note, d.created_at, d.state_at, d.sent_to, d.queue_id, coalesce(l.subject, '') as subject, coalesce(p.address, d.address) as to
from openbell.delivery d left join openbell.letter l on l.hash = d.letter left join openbell.person p on p.id = d.person_id
where d.id = $1
