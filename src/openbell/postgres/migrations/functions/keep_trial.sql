-- Ends a trial: what the challenger made is kept beside what readers see, and nothing else is touched. What the live job took
-- is told by its spends. Returns no row when the token is outdated.
create or replace function openbell.keep_trial(
    p_job bigint, p_token bigint, p_ended jsonb, p_version integer, p_live_version integer, p_verdict text, p_fields integer,
    p_differences jsonb, p_value jsonb, p_took_s double precision, p_age_s double precision, p_live_age_s double precision
) returns table (outcome text)
language plpgsql as $$
declare
    j openbell.job;
    v_live bigint;
begin
    select * into j from openbell.job where id = p_job and token = p_token for update;
    if not found then
        return;
    end if;
    perform openbell.settle(p_ended);
    if j.cancelled_by is not null then
        perform openbell.finish(j, 'cancelled', null, 'cancelled', 'cancelled by ' || j.cancelled_by);
        return query select 'cancelled';
        return;
    end if;
    v_live := (j.args ->> 'job')::bigint;
    insert into openbell.trial (
        challenger, key, at, job_id, producer_version, live_version, verdict, fields, differences, value, took_s, age_s, live_took_s, live_age_s,
        calls, bytes, cost_micro, live_calls, live_bytes, live_cost_micro)
    select j.product, j.key, openbell.now(), j.id, p_version, p_live_version, p_verdict, p_fields, p_differences, p_value,
        p_took_s, p_age_s, (j.args ->> 'took_s')::double precision, p_live_age_s,
        count(*) filter (where s.job_id = j.id), coalesce(sum((s.took ->> 'bytes')::bigint) filter (where s.job_id = j.id), 0),
        coalesce(sum(s.cost_micro) filter (where s.job_id = j.id), 0),
        count(*) filter (where s.job_id = v_live), coalesce(sum((s.took ->> 'bytes')::bigint) filter (where s.job_id = v_live), 0),
        coalesce(sum(s.cost_micro) filter (where s.job_id = v_live), 0)
    from openbell.spend s where s.job_id in (j.id, v_live) and s.state <> 'released';
    perform openbell.finish(j, 'done', null, null, null);
    return query select 'done';
end $$;
