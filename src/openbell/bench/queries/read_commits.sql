-- Asked from another database, so that the question is not counted.
select (xact_commit + xact_rollback)::bigint from pg_stat_database where datname = $1
