-- The next people of a week who may have an edition of their own and have none yet, the new ones first, in batches of $4. Their
-- places are taken by this statement; who has a place already is passed over, so that it may be repeated at any time.
with chosen as (
    select p.id, had.person_id is null as is_new, row_number() over (order by had.person_id is null desc, p.id) as place
    from openbell.person p
    join openbell.picks_profile f on f.person_id = p.id and f.personal
    left join (select distinct e.person_id from openbell.picks_edition e where e.person_id is not null) had on had.person_id = p.id
    left join openbell.picks_slot s on s.person_id = p.id and s.week = $1
    where p.state = 'active' and p.erased_at is null and s.edition is null
    order by place limit $2
), batch as (
    select coalesce(max(s.batch), 0) as last from openbell.picks_slot s where s.week = $1
)
insert into openbell.picks_slot (edition, person_id, week, reason, batch)
select c.id || '|' || $1, c.id, $1, case when c.is_new then 'new_user' else 'new_week' end,
    case when $3 then batch.last + 1 + (c.place - 1) / $4 end
from chosen c, batch
order by c.place
on conflict do nothing
returning edition, batch
