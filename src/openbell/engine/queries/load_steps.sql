select name, value from openbell.step where job_id = $1
