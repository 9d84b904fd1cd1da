update openbell.saved_comparison set seen = $3 where person_id = $1 and pair = $2
