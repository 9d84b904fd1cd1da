select e.week::text as week, e.kind, e.content, e.made_at from openbell.picks_edition e where e.person_id = $1 order by e.week
