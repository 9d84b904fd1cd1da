-- The latest entries about $2 whose action is like $1, newest first.
select a.at, a.actor, a.action, a.before, a.after from openbell.audit a
where a.target = $2 and a.action like $1 order by a.at desc, a.id desc limit $3
