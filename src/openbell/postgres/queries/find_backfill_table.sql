select to_regclass('openbell.backfill') is not null
