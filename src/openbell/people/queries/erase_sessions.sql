delete from openbell.visit where person_id = $1
