-- Ends an attempt for a worker that cannot: it is gone, or does not know of the attempt. Its calls are all lost.
create or replace function openbell.abandon(
    p_job bigint, p_token bigint, p_kind text, p_code text, p_message text, p_cooldown interval
) returns table (state text, run_at timestamptz)
language plpgsql as $$
begin
    return query select e.state, e.run_at
        from openbell.end_attempt(p_job, p_token, p_kind, p_code, p_message, interval '0', p_cooldown, '[]') e;
end $$;
