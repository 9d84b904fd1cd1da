-- Finishes a task: work that leaves no artifact. Returns no row when the token is outdated.
create or replace function openbell.complete(
    p_job bigint, p_token bigint,
    p_ended jsonb
) returns table (outcome text)
language plpgsql as $$
declare
    j openbell.job;
    v_outcome openbell.job_outcome;
begin
    select * into j from openbell.job where id = p_job and token = p_token for update;
    if not found then
        return;
    end if;
    perform openbell.settle(p_ended);
    v_outcome := case when j.cancelled_by is null then 'done' else 'cancelled' end;
    perform openbell.finish(j, v_outcome, null, null, null);
    return query select v_outcome::text;
end $$;
