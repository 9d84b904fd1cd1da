select created_at, expires_at from openbell.visit where person_id = $1 order by created_at
