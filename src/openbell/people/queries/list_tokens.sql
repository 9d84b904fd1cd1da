select id, name, hint, scope, created_at, used_at from openbell.api_token where person_id = $1 and revoked_at is null order by id
