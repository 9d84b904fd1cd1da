-- How long anybody has waited for a lock, in seconds, and which relation.
select extract(epoch from clock_timestamp() - l.waitstart)::float8 as waited_s, coalesce(l.relation::regclass::text, l.locktype) as what
from pg_locks l
where not l.granted and l.locktype <> 'advisory' and l.waitstart is not null
order by l.waitstart
limit 1
