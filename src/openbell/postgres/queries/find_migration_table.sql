select to_regclass('openbell.migration') is not null
