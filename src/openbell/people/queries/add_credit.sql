insert into openbell.credit (spend_id, person_id, product, key, job_id, at) values ($1, $2, $3, $4, $5, (select openbell.now()))
