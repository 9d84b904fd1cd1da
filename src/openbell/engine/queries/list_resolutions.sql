-- What operators have said about a spend.
select a.at, a.actor, a.before, a.after from openbell.audit a where a.action = 'spend.resolve' and a.target = $1 order by a.id
