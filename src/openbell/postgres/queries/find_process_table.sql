select to_regclass('openbell.web_process') is not null
