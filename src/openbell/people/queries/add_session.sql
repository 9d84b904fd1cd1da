insert into openbell.visit (hash, person_id, created_at, expires_at)
select $1, $2, now.at, now.at + $3 from (select openbell.now() as at) now
