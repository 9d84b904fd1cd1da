delete from openbell.saved_comparison where person_id = $1 and pair = $2
