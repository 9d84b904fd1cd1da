vacuum (skip_database_stats) bench.ceiling
