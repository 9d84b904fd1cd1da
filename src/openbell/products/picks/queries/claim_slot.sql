-- Whoever gets a row has the edition made; whoever does not comes second.
insert into openbell.picks_slot (edition, person_id, week, reason, batch)
values ($1, $2, $3, $4, $5)
on conflict do nothing
returning edition
