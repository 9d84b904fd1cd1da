-- Where the log ends, and how many pages were written to it whole (the first change of a page after a checkpoint).
select pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::bigint as bytes, (select wal_fpi from pg_stat_wal) as whole_pages
