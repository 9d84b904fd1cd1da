insert into openbell.meta (key, value) values ('environment', '"production"'), ('mode', '"sandbox"')
