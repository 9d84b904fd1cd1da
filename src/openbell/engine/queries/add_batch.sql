insert into openbell.batch (name, total) values ($1, 0) returning id
