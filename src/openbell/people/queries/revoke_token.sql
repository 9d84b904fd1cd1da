update openbell.api_token set revoked_at = (select openbell.now()) where id = $1 and person_id = $2 and revoked_at is null returning id
