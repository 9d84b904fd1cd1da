select current_setting('server_version_num')::integer / 10000 as major, current_database() as database,
    to_regclass('openbell.migration') is not null as is_openbell,
    (select coalesce(jsonb_agg(distinct a.application_name), '[]') from pg_stat_activity a
        where a.datname = current_database() and a.application_name like 'openbell %' and a.pid <> pg_backend_pid()
            and a.backend_type = 'client backend') as sessions
