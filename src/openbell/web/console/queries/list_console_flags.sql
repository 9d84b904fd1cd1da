-- Every flag with its rule, how many keys it names, and its latest change; those that have outlived their end first.
select f.name, f.mode, f.share, f.about, f.owner, f.remove_by, cardinality(f.allow) as allowed, cardinality(f.deny) as denied,
    f.remove_by < ((select openbell.now()) at time zone 'UTC')::date as expired, r.at_least, c.of as challenges, last.at, last.actor
from openbell.flag f
left join openbell.flag_rule r on r.flag = f.name
left join openbell.challenge c on c.name = f.name
left join lateral (
    select a.at, a.actor from openbell.audit a where a.target = f.name and a.action like 'flag.%' order by a.at desc, a.id desc limit 1
) last on true
order by expired desc, f.name
