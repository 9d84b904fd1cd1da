select s.week::text as week, s.reason, s.status, s.queued_at, s.status_at from openbell.picks_slot s where s.person_id = $1 order by s.week
