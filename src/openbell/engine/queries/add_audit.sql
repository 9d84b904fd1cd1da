insert into openbell.audit (actor, action, target, after) values ($1, $2, $3, $4)
