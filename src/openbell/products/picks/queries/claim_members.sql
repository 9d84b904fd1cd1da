-- The next batch of a week: people who may have an edition of their own and have none yet, the new ones first. Their places are
-- taken by this statement; who has a place already is passed over, so that it may be repeated at any time.
with chosen as (
    select p.id, e.person_id is null as is_new
    from openbell.person p
    join openbell.picks_profile f on f.person_id = p.id and f.personal
    left join lateral (select e.person_id from openbell.picks_edition e where e.person_id = p.id limit 1) e on true
    where p.state = 'active' and p.erased_at is null
        and not exists (select 1 from openbell.picks_slot s where s.person_id = p.id and s.week = $1)
    order by e.person_id is null desc, p.id limit $2
), batch as (
    select coalesce(max(s.batch), 0) + 1 as number from openbell.picks_slot s where s.week = $1
)
insert into openbell.picks_slot (edition, person_id, week, reason, batch)
select c.id || '|' || $1, c.id, $1, case when c.is_new then 'new_user' else 'new_week' end, case when $3 then batch.number end
from chosen c, batch
order by c.is_new desc, c.id
on conflict do nothing
returning edition, batch
