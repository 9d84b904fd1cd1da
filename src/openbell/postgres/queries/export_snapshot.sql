select pg_export_snapshot() as snapshot, clock_timestamp() as at
