select a.key, a.version, a.state::text as state, a.changed_at, v.cost_micro,
    v.value -> 'inputs' -> 'outcomes' as outcomes,
    (v.value -> 'content' -> 'counts' ->> 'shown')::int as bullets,
    v.value -> 'inputs' ->> 'revision' as revision
from openbell.artifact a
left join openbell.version v on (v.product, v.key, v.version) = (a.product, a.key, a.version)
where a.product = 'digest'
order by a.changed_at desc nulls last, a.key
limit $1
