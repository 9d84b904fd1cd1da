-- The members of a batch that have no answer and no edition yet, and what they told about themselves; the new people first.
select s.edition, s.person_id, s.person_id is null or (p.state = 'active' and p.erased_at is null and coalesce(f.personal, false)) as allowed, p.name, f.profile,
    exists (select 1 from openbell.picks_answer a where a.edition = s.edition and not a.given_up) as answered
from openbell.picks_slot s
left join openbell.person p on p.id = s.person_id
left join openbell.picks_profile f on f.person_id = p.id
where s.week = $1 and s.batch = $2
order by s.reason <> 'new_user', s.person_id
