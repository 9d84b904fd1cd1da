select s.edition from openbell.picks_slot s where s.week = $1 order by s.person_id nulls first limit 100000
