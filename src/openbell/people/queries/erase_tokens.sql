delete from openbell.api_token where person_id = $1
