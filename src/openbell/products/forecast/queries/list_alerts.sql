select person_id, pair, alert, threshold, seen from openbell.saved_comparison where alert <> 'none' order by pair, person_id limit $1
