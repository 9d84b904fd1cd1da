insert into openbell.audit (actor, action, target, after) values ($1, 'reference.import', $2, $3)
