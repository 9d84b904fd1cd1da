select format('%I.%I', n.nspname, c.relname) as name from pg_class c join pg_namespace n on n.oid = c.relnamespace
where n.nspname in ('openbell', 'data') and c.relkind in ('r', 'p') and not c.relispartition order by 1
