-- What could be shown to somebody: the latest of each kind that is theirs or everybody's, one query for a page.
select distinct on (e.kind) e.edition, e.person_id, e.week, e.kind, e.content, e.made, e.made_at
from openbell.picks_edition e
where (e.person_id = $1 or e.person_id is null) and e.week <= $2
order by e.kind, e.person_id is null, e.week desc
