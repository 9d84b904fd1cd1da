-- Finishes a job that turned out not to be needed: its key was refreshed between the sweep and the claim ('unchanged'),
-- or nobody asks for it any more ('expired').
create or replace function openbell.skip_job(p_job bigint, p_token bigint, p_outcome text, p_message text) returns boolean
language plpgsql as $$
declare
    j openbell.job;
begin
    select * into j from openbell.job where id = p_job and token = p_token for update;
    if not found then
        return false;
    end if;
    perform openbell.finish(j, p_outcome::openbell.job_outcome, null, 'skipped', p_message);
    return true;
end $$;
