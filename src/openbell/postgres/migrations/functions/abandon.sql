-- Ends an attempt for a worker that cannot: it is gone, or does not know of the attempt. The calls that it left open may
-- have happened. They are looked for under the lock of the job, in a statement of their own: a snapshot from before the lock
-- misses the spend that a thawed process has reserved meanwhile, and its call would be made a second time.
create or replace function openbell.abandon(
    p_job bigint, p_token bigint, p_kind text, p_code text, p_message text, p_cooldown interval
) returns table (state text, run_at timestamptz)
language plpgsql as $$
declare
    v_open bigint[];
    v_count integer;
begin
    perform 1 from openbell.job j where j.id = p_job and j.token = p_token for update;
    select coalesce(array_agg(s.id), '{}'), count(*) into v_open, v_count
    from openbell.spend s where s.job_id = p_job and s.token = p_token and s.ended_at is null;
    return query select e.state, e.run_at from openbell.end_attempt(
        p_job, p_token, p_kind, p_code, p_message, interval '0', p_cooldown, v_open,
        array_fill('unknown'::text, array[v_count]), array_fill(p_message, array[v_count]),
        array_fill(null::bigint, array[v_count]), array_fill(null::bigint, array[v_count]),
        array_fill(null::text, array[v_count])) e;
end $$;
