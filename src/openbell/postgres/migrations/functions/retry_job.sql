-- Queues a job again by hand: the latest failure of its key is forgotten. Returns the id of the live job.
create or replace function openbell.retry_job(p_job bigint, p_actor text) returns bigint
language plpgsql as $$
declare
    h openbell.job_history;
    v_id bigint;
begin
    select t.id into v_id from openbell.job t where t.id = p_job;
    if found then
        update openbell.job t set parked_until = null, reason = null
        where t.id = p_job and t.token is null and not exists (select 1 from openbell.need n where n.job_id = p_job);
    else
        select * into h from openbell.job_history t where t.id = p_job;
        if not found then
            return null;
        end if;
        delete from openbell.cooldown c where c.product = h.product and c.key = h.key;
        insert into openbell.demand (source, product, key, weight, job_class, expires_at)
        select 'operator', h.product, h.key, 1, h.job_class, openbell.now() + interval '1 hour'
        from openbell.product p where p.name = h.product and p.kind = 'artifact'
        on conflict (product, key, source) do update set expires_at = excluded.expires_at;
        insert into openbell.job as t (product, key, args, bundled, job_class, max_attempts)
        select h.product, h.key, h.args, p.bundle > 1, h.job_class, p.max_attempts from openbell.product p where p.name = h.product
        on conflict (product, key) do update set parked_until = null where t.token is null
        returning t.id into v_id;
        if v_id is null then
            select t.id into v_id from openbell.job t where t.product = h.product and t.key = h.key;
        end if;
    end if;
    insert into openbell.audit (actor, action, target, after) values (p_actor, 'job.retry', p_job::text, jsonb_build_object('job', v_id));
    return v_id;
end $$;
