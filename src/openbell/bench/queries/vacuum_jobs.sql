vacuum (skip_database_stats) openbell.job
