-- Kept once a person and pair; a full list takes no more, but what is on it can be changed. What was seen begins anew.
insert into openbell.saved_comparison as s (person_id, pair, alert, threshold)
select $1, $2, $3, $4
where exists (select 1 from openbell.saved_comparison o where o.person_id = $1 and o.pair = $2)
    or (select count(*) from openbell.saved_comparison o where o.person_id = $1) < $5
on conflict (person_id, pair) do update set alert = excluded.alert, threshold = excluded.threshold, seen = null
