-- The latest of each kind that is somebody's or everybody's, without what is in them. `mark` changes with a row's content.
select distinct on (e.kind) e.edition, e.week, e.kind, e.made_at, e.mark
from (
    (select o.*, o.xmin::text as mark from openbell.picks_edition o
        where o.person_id = $1 and o.week <= $2 order by o.week desc limit 60)
    union all
    (select o.*, o.xmin::text as mark from openbell.picks_edition o
        where o.person_id is null and o.week <= $2 order by o.week desc limit 60)
) e
order by e.kind, e.person_id is null, e.week desc
