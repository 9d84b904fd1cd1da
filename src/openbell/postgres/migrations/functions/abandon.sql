-- Ends an attempt for a worker that cannot: it is gone, or does not know of the attempt. What its open calls may have done
-- is looked up under the lock of the job, in a statement of its own: a snapshot from before the lock misses the spend that a
-- thawed process has reserved meanwhile, and its call would be made a second time.
create or replace function openbell.abandon(
    p_job bigint, p_token bigint, p_kind text, p_code text, p_message text, p_cooldown interval
) returns table (state text, run_at timestamptz)
language plpgsql as $$
declare
    v_ended jsonb;
begin
    perform 1 from openbell.job j where j.id = p_job and j.token = p_token for update;
    select coalesce(jsonb_agg(openbell.lost_call(s, p_message)), '[]') into v_ended
    from openbell.spend s where s.job_id = p_job and s.token = p_token and s.ended_at is null;
    return query select e.state, e.run_at
        from openbell.end_attempt(p_job, p_token, p_kind, p_code, p_message, interval '0', p_cooldown, v_ended) e;
end $$;
