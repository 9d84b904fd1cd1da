insert into openbell.picks_slot (edition, person_id, week, reason, status, code, message)
values ($1, $2, $3, $4, $5, $6, $7)
on conflict do nothing
returning edition
