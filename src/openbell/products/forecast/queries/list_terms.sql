-- What is stored of terms that begin like $1: the page that each names, or what it may mean. The last looked up first.
select a.key, v.value
from openbell.artifact a
join openbell.version v on v.product = a.product and v.key = a.key and v.version = a.version
where a.product = 'entity' and starts_with(a.key, $1) and v.value ->> 'kind' in ('page', 'ambiguous')
order by a.checked_at desc, a.key
limit $2
