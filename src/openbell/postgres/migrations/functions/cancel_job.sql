-- Cancels a live job: at once while it waits, at the next boundary while it runs. Returns its state afterwards.
create or replace function openbell.cancel_job(p_job bigint, p_actor text) returns text
language plpgsql as $$
declare
    j openbell.job;
begin
    select * into j from openbell.job where id = p_job for update;
    if not found then
        return null;
    end if;
    insert into openbell.audit (actor, action, target, before)
    values (p_actor, 'job.cancel', p_job::text, jsonb_build_object('product', j.product, 'key', j.key, 'state', j.state));
    if j.token is not null then
        update openbell.job set cancelled_by = p_actor where id = p_job;
        return 'cancelling';
    end if;
    perform openbell.finish(j, 'cancelled', null, 'cancelled', 'cancelled by ' || p_actor);
    return 'cancelled';
end $$;
