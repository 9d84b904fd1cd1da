insert into openbell.batch (name, total) values ($1, $2) returning id
