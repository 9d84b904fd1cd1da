-- Of any PostgreSQL, migrated or not: its version as a number (180004) and its clock.
select current_setting('server_version_num')::int as version, clock_timestamp() as clock;
