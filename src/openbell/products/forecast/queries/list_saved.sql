select pair, alert, threshold from openbell.saved_comparison where person_id = $1 order by saved_at desc, pair
