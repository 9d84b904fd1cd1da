-- Row n of the arrays is one recipient. A newer version takes the place of an older one that waits; where an older one was
-- sent, or may have been, it is kept cancelled. What is there already is answered as it is.
with asked as (
    select u.person_id, u.address, u.token, u.n from unnest($1::bigint[], $2::text[], $3::text[]) with ordinality as u (person_id, address, token, n)
), earlier as (
    select asked.n, max(d.version) filter (where d.state in ('sent', 'unknown')) as sent
    from asked join openbell.delivery d
        on d.artifact = $5 and d.kind = $4 and d.version < $6
        and d.person_id is not distinct from asked.person_id and d.address is not distinct from asked.address
    group by asked.n
), replaced as (
    update openbell.delivery d set state = 'cancelled', was = null, state_at = (select openbell.now()), note = 'version ' || $6 || ' took its place'
    from asked
    where d.artifact = $5 and d.kind = $4 and d.version < $6 and d.state in ('ready', 'held')
        and d.person_id is not distinct from asked.person_id and d.address is not distinct from asked.address
), added as (
    insert into openbell.delivery as d (
        kind, artifact, version, person_id, address, list, ticker, letter, message_id, send_at, expires_at, state, was, note, created_at, state_at)
    select $4, $5, $6, asked.person_id, asked.address, $7, $8, $9,
        '<' || asked.token || '@' || coalesce((select m.value #>> '{}' from openbell.meta m where m.key = 'mail_domain'), 'openbell.invalid') || '>',
        coalesce($10, now.at), coalesce($11, coalesce($10, now.at) + $12::interval),
        case when earlier.sent is not null then 'cancelled' when $13::boolean then 'held' else 'ready' end,
        case when earlier.sent is not null then 'held' end,
        case when earlier.sent is not null then 'version ' || earlier.sent || ' was sent already' when $13 then 'waits for approval' else '' end,
        now.at, now.at
    from asked left join earlier on earlier.n = asked.n, (select openbell.now() as at) now
    on conflict (artifact, version, kind, coalesce(person_id, 0), coalesce(address, '')) do update set kind = d.kind
    returning d.*
)
select d.id, d.kind, d.artifact, d.version, d.person_id, d.address, d.list, d.ticker, d.message_id, d.send_at, d.expires_at, d.state, d.was, d.note, d.created_at, d.state_at, d.sent_to, d.queue_id, (select l.subject from openbell.letter l where l.hash = d.letter) as subject, d.address as to
from added d order by d.id
