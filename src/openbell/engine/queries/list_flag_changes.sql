select a.at, a.actor, a.action, a.before, a.after from openbell.audit a
where a.target = $1 and a.action in ('flag.add', 'flag.set') order by a.id desc limit $2
