insert into openbell.worker (name, slots, expires_at) values ($1, $2, openbell.now() + $3::interval) returning id
