select zone, pages_per_job, pages_per_day, quiet, topup, approval from openbell.digest_policy
