-- Written once; a second one of the same name is none.
insert into openbell.picks_edition (edition, person_id, week, kind, content, made)
values ($1, $2, $3, $4, $5, $6)
on conflict do nothing
returning edition
