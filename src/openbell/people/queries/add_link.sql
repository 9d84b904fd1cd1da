insert into openbell.link (hash, person_id, purpose, created_at, expires_at)
select $1, $2, $3, now.at, now.at + $4 from (select openbell.now() as at) now
