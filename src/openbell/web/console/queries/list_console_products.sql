-- Every product and whether it is made, with its latest change by an operator; those that are off first.
select p.name, p.kind, p.provider, p.enabled, p.revision, c.of as challenges, last.at, last.actor, last.after ->> 'reason' as reason
from openbell.product p
left join openbell.challenge c on c.name = p.name
left join lateral (
    select a.at, a.actor, a.after from openbell.audit a where a.target = p.name and a.action = 'product.set' order by a.at desc, a.id desc limit 1
) last on true
order by p.enabled, p.name
