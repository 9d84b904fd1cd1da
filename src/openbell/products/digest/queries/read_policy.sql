select zone, pages_per_job, pages_per_day, quiet from openbell.digest_policy
