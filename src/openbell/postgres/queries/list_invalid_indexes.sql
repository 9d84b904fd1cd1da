-- What a failed CREATE INDEX CONCURRENTLY leaves behind, unless somebody is building it right now. An index of a partitioned table
-- has nothing of its own: it is valid once all parts have theirs.
select format('%I.%I', namespace.nspname, class.relname) as name
from pg_index as index
join pg_class as class on class.oid = index.indexrelid
join pg_namespace as namespace on namespace.oid = class.relnamespace
left join pg_stat_progress_create_index as progress on progress.index_relid = index.indexrelid
where not index.indisvalid
  and class.relkind = 'i'
  and namespace.nspname = 'openbell'
  and progress.pid is null
order by name
