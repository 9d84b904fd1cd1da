select d.kind, d.artifact, d.version, d.state, d.note, d.send_at, d.state_at, d.sent_to, l.subject
from openbell.delivery d left join openbell.letter l on l.hash = d.letter
where d.person_id = $1 order by d.id
