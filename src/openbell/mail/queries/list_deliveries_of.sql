-- As list_deliveries, those of one person ($3), or that tell one artifact ($5).
with found as (
    select d.id from openbell.delivery d where d.person_id = $3
    union
    select d.id from openbell.delivery d where d.artifact = $5
)
select d.id, d.kind, d.artifact, d.version, d.person_id, d.address, d.list, d.ticker, d.message_id, d.send_at, d.expires_at, d.state, d.was, d.note, d.created_at, d.state_at, d.sent_to, d.queue_id, coalesce(l.subject, '') as subject, coalesce(p.address, d.address) as to
from found join openbell.delivery d on d.id = found.id and ($3::bigint is null or d.person_id = $3) and ($5::text is null or d.artifact = $5)
    and ($1::text is null or d.kind = $1) and ($2::text is null or d.state = $2) and ($4::text is null or d.ticker = $4)
left join openbell.letter l on l.hash = d.letter
left join openbell.person p on p.id = d.person_id
order by d.state not in ('ready', 'held'), case when d.state in ('ready', 'held') then d.send_at end, d.state_at desc, d.id desc
limit $6
