select e.edition, e.person_id, e.week, e.kind, e.content, e.made, e.made_at from openbell.picks_edition e where e.edition = $1
