-- Whoever is queueing one of these letters to somebody else is waited for, so that what follows sees it.
select l.hash from openbell.letter l
where l.hash in (select d.letter from openbell.delivery d where d.person_id = $1)
order by l.hash for update
