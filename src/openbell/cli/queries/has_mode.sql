select to_regclass('openbell.meta') is not null
