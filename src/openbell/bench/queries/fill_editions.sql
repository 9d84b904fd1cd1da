-- An edition for each place, as large as real ones are.
insert into openbell.picks_edition (edition, person_id, week, kind, content, made)
select s.edition, s.person_id, s.week, 'personal', $1, '{"provider": "bench"}' from openbell.picks_slot s
