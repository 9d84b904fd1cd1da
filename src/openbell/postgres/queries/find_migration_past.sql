select to_regclass('openbell.migration_past') is not null
