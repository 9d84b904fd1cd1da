-- Publishes the result of a job. The head moves; a version is added only when the value is a new one.
-- p_calendar is the calendar that the value keeps to, if any. Returns no row when the token is outdated.
create or replace function openbell.publish(
    p_job bigint, p_token bigint, p_state text, p_value jsonb, p_source_time timestamptz,
    p_fresh_for interval, p_stale_for interval, p_retry_for interval,
    p_provenance jsonb, p_producer_version integer, p_licence text,
    p_ended jsonb, p_calendar text
) returns table (outcome text, version integer)
language plpgsql as $$
declare
    j openbell.job;
    a openbell.artifact;
    v_now timestamptz;
    v_outcome openbell.job_outcome;
    v_fresh_until timestamptz;
    v_keeper text;
begin
    select * into j from openbell.job where id = p_job and token = p_token for update;
    if not found then
        return;
    end if;
    perform openbell.settle(p_ended);
    if j.cancelled_by is not null then
        perform openbell.finish(j, 'cancelled', null, 'cancelled', 'cancelled by ' || j.cancelled_by);
        return query select 'cancelled', null::integer;
        return;
    end if;

    select * into a from openbell.artifact t where t.product = j.product and t.key = j.key for update;
    v_now := openbell.now();
    v_outcome := case
        when p_state = 'empty' then 'empty'
        -- Times of one source only are compared: who takes the place of another, or gives it back, is no older for that.
        when p_source_time < a.source_time and not exists (
            select 1 from openbell.version v
            where v.product = j.product and v.key = j.key and v.version = a.version
                and v.provenance ->> 'producer' is distinct from p_provenance ->> 'producer') then 'outdated'
        when exists (
            select 1 from openbell.version v
            where v.product = j.product and v.key = j.key and v.version = a.version and v.producer_version = p_producer_version
                and case when p_source_time is null then v.value = p_value else a.source_time = p_source_time end) then 'unchanged'
        else 'done'
    end;

    if v_outcome = 'done' then
        insert into openbell.version (product, key, version, created_at, source_time, value, provenance, producer_version, licence, cost_micro, job_id)
        values (j.product, j.key, coalesce(a.version, 0) + 1, v_now, p_source_time, p_value, p_provenance, p_producer_version, p_licence,
            (select coalesce(sum(s.cost_micro), 0) from openbell.spend s where s.job_id = j.id), j.id);
        select s.keeper into v_keeper from openbell.shape s where s.product = j.product;
        if v_keeper is not null then
            perform openbell.keep_rows(j.product, j.key, coalesce(a.version, 0) + 1, v_keeper);
        end if;
    end if;

    v_fresh_until := openbell.fresh_until(p_calendar, v_now, case when v_outcome = 'outdated' then p_retry_for else p_fresh_for end);
    if v_outcome = 'outdated' then
        update openbell.artifact t
        set fresh_until = v_fresh_until, stale_until = greatest(t.stale_until, v_fresh_until)
        where t.product = j.product and t.key = j.key;
    else
        insert into openbell.artifact as t (product, key, version, state, checked_at, changed_at, source_time, fresh_until, stale_until, calendar)
        values (j.product, j.key, (v_outcome = 'done')::integer, p_state::openbell.artifact_state, v_now, case when v_outcome = 'done' then v_now end,
            p_source_time, v_fresh_until, greatest(v_now + p_stale_for, v_fresh_until), p_calendar)
        on conflict (product, key) do update
        set version = t.version + (v_outcome = 'done')::integer, state = excluded.state, checked_at = excluded.checked_at,
            changed_at = coalesce(excluded.changed_at, t.changed_at), source_time = coalesce(excluded.source_time, t.source_time),
            fresh_until = excluded.fresh_until, calendar = excluded.calendar,
            stale_until = case when v_outcome = 'empty' then greatest(t.stale_until, excluded.fresh_until) else excluded.stale_until end;
    end if;

    delete from openbell.cooldown c where c.product = j.product and c.key = j.key;
    delete from openbell.demand d where d.product = j.product and d.key = j.key and d.source = 'operator';
    if v_outcome in ('done', 'unchanged', 'empty') then
        perform openbell.meet_needs(j.product, j.key);
    end if;
    perform openbell.finish(j, v_outcome, coalesce(a.version, 0) + (v_outcome = 'done')::integer, null, null);
    return query select v_outcome::text, coalesce(a.version, 0) + (v_outcome = 'done')::integer;
end $$;
