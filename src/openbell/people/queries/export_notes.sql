select n.key, n.day::text as day, n.asked_at from openbell.forecast_note n where n.person_id = $1 order by n.key
