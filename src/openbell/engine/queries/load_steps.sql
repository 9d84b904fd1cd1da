-- The finished steps of a job, while it is held under this token. One row without a name where it has none; no row where it
-- is another's: whoever was frozen would find the steps gone that others have finished, and do them again.
select s.name, s.value
from openbell.job j
left join openbell.step s on s.job_id = j.id
where j.id = $1 and j.token = $2
