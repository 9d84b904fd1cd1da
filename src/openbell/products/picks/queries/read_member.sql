-- Whether somebody may have a personal edition made, and what they told about themselves.
select p.state = 'active' and p.erased_at is null and coalesce(f.personal, false) as allowed, p.name, f.profile,
    exists (select 1 from openbell.picks_edition e where e.person_id = p.id) as has_edition
from openbell.person p
left join openbell.picks_profile f on f.person_id = p.id
where p.id = $1
