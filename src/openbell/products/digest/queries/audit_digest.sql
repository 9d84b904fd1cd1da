insert into openbell.audit (actor, action, target) values ($1, $2, $3)
