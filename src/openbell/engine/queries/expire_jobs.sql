select * from openbell.expire_jobs($1)
