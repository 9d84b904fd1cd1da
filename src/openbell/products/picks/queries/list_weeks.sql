-- The editions of somebody and of everybody, latest week first.
select e.edition, e.week, e.kind, e.made_at from openbell.picks_edition e
where e.person_id = $1 or e.person_id is null
order by e.week desc, e.person_id is null, e.kind limit $2
