delete from openbell.follow where person_id = $1
