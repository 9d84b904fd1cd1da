-- What keeps the hot table from being cleaned. Real time, not openbell.now(): the server's own times are real.
-- Sessions of other roles show their transactions only to members of pg_read_all_stats.
select extract(epoch from clock_timestamp() - oldest.since)::float8 as oldest_transaction_s,
    oldest.who as oldest_transaction,
    current_setting('autovacuum')::boolean and not exists (
        select 1 from pg_class c where c.oid = 'openbell.job'::regclass
            and c.reloptions && array['autovacuum_enabled=false', 'autovacuum_enabled=off', 'autovacuum_enabled=0']) as autovacuum,
    (select coalesce(s.n_live_tup, 0) from pg_stat_all_tables s where s.relid = 'openbell.job'::regclass) as live_rows,
    (select coalesce(s.n_dead_tup, 0) from pg_stat_all_tables s where s.relid = 'openbell.job'::regclass) as dead_rows,
    (select age(d.datfrozenxid) from pg_database d where d.datname = current_database()) as transaction_age,
    exists (select 1 from openbell.job_history_default) as history_in_default
from (select 1) always
left join lateral (
    select t.since, t.who
    from (
        select a.xact_start as since, coalesce(nullif(a.application_name, ''), 'unnamed') || ', process ' || a.pid || ', ' || a.state as who
        from pg_stat_activity a
        where a.datname = current_database() and a.backend_type = 'client backend' and a.pid <> pg_backend_pid()
            and (a.backend_xmin is not null or a.backend_xid is not null)
        union all
        select p.prepared, 'prepared transaction ' || p.gid from pg_prepared_xacts p where p.database = current_database()
    ) t
    where t.since is not null
    order by t.since limit 1
) oldest on true
