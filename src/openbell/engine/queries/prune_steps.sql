-- Memos of jobs that are no longer there.
delete from openbell.step
where (job_id, name) in (
    select s.job_id, s.name from openbell.step s
    where not exists (select 1 from openbell.job j where j.id = s.job_id)
        and s.ended_at < (select openbell.now()) - interval '1 hour'
    limit $1
)
