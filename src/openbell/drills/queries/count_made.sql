select count(*) from openbell.artifact a where a.product = any($1) and a.version > 0
