insert into openbell.confirmation (token, actor, action, plan, made_at, expires_at)
select $1, $2, $3, $4, n.at, n.at + $5::interval from (select openbell.now() as at) n
returning expires_at
