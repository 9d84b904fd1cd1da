-- The steps of a job that have ended, in that order.
select s.name, s.ended_at from openbell.step s where s.job_id = $1 order by s.ended_at, s.name
