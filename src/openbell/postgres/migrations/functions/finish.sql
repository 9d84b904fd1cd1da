-- Moves a live job to history. The caller holds the job's row lock.
create or replace function openbell.finish(
    p_job openbell.job, p_outcome openbell.job_outcome, p_version integer, p_code text, p_message text
) returns void
language plpgsql as $$
begin
    insert into openbell.job_history (
        id, product, key, job_class, outcome, attempts, queued_at, started_at, finished_at, worker, cost_micro, batch, args, version, code, message, trail)
    select p_job.id, p_job.product, p_job.key, p_job.job_class, p_outcome, p_job.attempt, p_job.queued_at, p_job.started_at, openbell.now(),
        p_job.worker, (select coalesce(sum(s.cost_micro), 0) from openbell.spend s where s.job_id = p_job.id),
        p_job.batch, p_job.args, p_version, p_code, p_message, p_job.trail;
    delete from openbell.step where job_id = p_job.id;
    delete from openbell.seat where job_id = p_job.id;
    delete from openbell.need where job_id = p_job.id;
    delete from openbell.job where id = p_job.id;
    if p_job.batch is not null then
        update openbell.batch b
        set done = b.done + (p_outcome not in ('failed', 'expired', 'cancelled'))::integer,
            failed = b.failed + (p_outcome in ('failed', 'expired'))::integer, cancelled = b.cancelled + (p_outcome = 'cancelled')::integer
        where b.id = p_job.batch;
    end if;
end $$;
