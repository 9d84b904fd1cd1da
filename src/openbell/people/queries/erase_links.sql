delete from openbell.link where person_id = $1
