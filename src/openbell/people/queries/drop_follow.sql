delete from openbell.follow where person_id = $1 and ticker = $2 returning ticker
