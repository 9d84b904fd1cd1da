-- The mails that match (of $1 kind, $2 state and $3 ticker, each may be null), those that wait first, at most $4. Of each state
-- the soonest or the latest $5 are looked at, in the order of their index; list_deliveries_of reads those of a person or an artifact.
with own (state) as (
    select s from unnest(array['sent', 'skipped', 'cancelled', 'expired', 'failed', 'unknown']) as s where ($2::text is null or s = $2)
), found as (
    (select d.id from (
        select d.* from openbell.delivery d where d.state in ('ready', 'held') order by d.send_at limit $5
    ) d where ($1::text is null or d.kind = $1) and ($2::text is null or d.state = $2) and ($3::text is null or d.ticker = $3) order by d.send_at limit $4)
    union all
    select e.id from own cross join lateral (
        select d.id from (
            select d.* from openbell.delivery d where d.state = own.state order by d.state_at desc, d.id desc limit $5
        ) d where ($1::text is null or d.kind = $1) and ($2::text is null or d.state = $2) and ($3::text is null or d.ticker = $3) order by d.state_at desc, d.id desc limit $4
    ) e
)
select d.id, d.kind, d.artifact, d.version, d.person_id, d.address, d.list, d.ticker, d.message_id, d.send_at, d.expires_at, d.state, d.was, d.note, d.created_at, d.state_at, d.sent_to, d.queue_id, coalesce(l.subject, '') as subject, coalesce(p.address, d.address) as to
from found join openbell.delivery d on d.id = found.id
left join openbell.letter l on l.hash = d.letter
left join openbell.person p on p.id = d.person_id
order by d.state not in ('ready', 'held'), case when d.state in ('ready', 'held') then d.send_at end, d.state_at desc, d.id desc
limit $4
