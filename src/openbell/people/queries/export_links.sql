select purpose, created_at, used_at from openbell.link where person_id = $1 order by created_at
