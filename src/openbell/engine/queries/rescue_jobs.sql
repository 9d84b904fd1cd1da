select job_id, product, key, worker, state from openbell.rescue($1)
