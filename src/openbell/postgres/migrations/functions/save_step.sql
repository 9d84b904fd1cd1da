-- Writes the memo of a finished step together with the spends that it made. False when the token is outdated or the job is
-- cancelled; the first result of a step stays.
create or replace function openbell.save_step(
    p_job bigint, p_token bigint, p_name text, p_value jsonb,
    p_ended jsonb
) returns boolean
language plpgsql as $$
begin
    perform 1 from openbell.job j where j.id = p_job and j.token = p_token and j.cancelled_by is null for update;
    if not found then
        return false;
    end if;
    perform openbell.settle(p_ended);
    insert into openbell.step (job_id, name, token, value) values (p_job, p_name, p_token, coalesce(p_value, 'null'))
    on conflict (job_id, name) do nothing;
    return true;
end $$;
