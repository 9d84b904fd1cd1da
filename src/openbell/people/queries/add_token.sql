insert into openbell.api_token (hash, person_id, name, hint, scope) values ($1, $2, $3, $4, $5)
