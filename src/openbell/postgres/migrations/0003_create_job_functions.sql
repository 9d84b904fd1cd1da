-- phase: expand
--
-- How a job ends. Every function here starts by taking the job under its token; with an outdated token nothing changes
-- and the answer says so. Publishing, settling the spends and finishing the job are one transaction.

-- Moves a live job to history. The caller holds the job's row lock.
create function openbell.finish(
    p_job openbell.job, p_outcome openbell.job_outcome, p_version integer, p_code text, p_message text
) returns void
language sql as $$
    insert into openbell.job_history (
        id, product, key, job_class, outcome, attempts, queued_at, started_at, finished_at, worker, cost_micro, batch, args, version, code, message, trail)
    select p_job.id, p_job.product, p_job.key, p_job.job_class, p_outcome, p_job.attempt, p_job.queued_at, p_job.started_at, openbell.now(),
        p_job.worker, (select coalesce(sum(s.cost_micro), 0) from openbell.spend s where s.job_id = p_job.id),
        p_job.batch, p_job.args, p_version, p_code, p_message, p_job.trail;
    delete from openbell.step where job_id = p_job.id;
    delete from openbell.seat where job_id = p_job.id;
    delete from openbell.need where job_id = p_job.id;
    delete from openbell.job where id = p_job.id;
    update openbell.batch b
    set done = b.done + (p_outcome not in ('failed', 'expired', 'cancelled'))::integer,
        failed = b.failed + (p_outcome in ('failed', 'expired'))::integer, cancelled = b.cancelled + (p_outcome = 'cancelled')::integer
    where b.id = p_job.batch;
$$;

-- Wakes the parked jobs that waited for this artifact and for nothing else any more.
create function openbell.meet_needs(p_product text, p_key text) returns void
language sql as $$
    with met as (
        delete from openbell.need n where n.product = p_product and n.key = p_key returning n.job_id
    )
    update openbell.job j set parked_until = null, reason = null
    from met
    where j.id = met.job_id and j.token is null
        and not exists (select 1 from openbell.need n where n.job_id = met.job_id and (n.product, n.key) <> (p_product, p_key));
$$;

-- Publishes the result of a job. The head moves; a version is added only when the value is a new one.
-- Returns no row when the token is outdated.
create function openbell.publish(
    p_job bigint, p_token bigint, p_state text, p_value jsonb, p_source_time timestamptz,
    p_fresh_for interval, p_stale_for interval, p_retry_for interval,
    p_provenance jsonb, p_producer_version integer, p_licence text,
    p_spend bigint[], p_spend_state text[], p_spend_outcome text[],
    p_spend_bytes bigint[], p_spend_cost bigint[], p_spend_ref text[]
) returns table (outcome text, version integer)
language plpgsql as $$
declare
    j openbell.job;
    a openbell.artifact;
    v_now timestamptz;
    v_outcome openbell.job_outcome;
begin
    select * into j from openbell.job where id = p_job and token = p_token for update;
    if not found then
        return;
    end if;
    perform openbell.settle(p_spend, p_spend_state, p_spend_outcome, p_spend_bytes, p_spend_cost, p_spend_ref);
    if j.cancelled_by is not null then
        perform openbell.finish(j, 'cancelled', null, 'cancelled', 'cancelled by ' || j.cancelled_by);
        return query select 'cancelled', null::integer;
        return;
    end if;

    select * into a from openbell.artifact t where t.product = j.product and t.key = j.key for update;
    v_now := openbell.now();
    v_outcome := case
        when p_state = 'empty' then 'empty'
        when p_source_time < a.source_time then 'outdated'
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
    end if;

    if v_outcome = 'outdated' then
        update openbell.artifact t
        set fresh_until = v_now + p_retry_for, stale_until = greatest(t.stale_until, v_now + p_retry_for)
        where t.product = j.product and t.key = j.key;
    else
        insert into openbell.artifact as t (product, key, version, state, checked_at, changed_at, source_time, fresh_until, stale_until)
        values (j.product, j.key, (v_outcome = 'done')::integer, p_state::openbell.artifact_state, v_now, case when v_outcome = 'done' then v_now end,
            p_source_time, v_now + p_fresh_for, v_now + greatest(p_stale_for, p_fresh_for))
        on conflict (product, key) do update
        set version = t.version + (v_outcome = 'done')::integer, state = excluded.state, checked_at = excluded.checked_at,
            changed_at = coalesce(excluded.changed_at, t.changed_at), source_time = coalesce(excluded.source_time, t.source_time),
            fresh_until = excluded.fresh_until,
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

-- Ends an attempt that brought no result.
--   retry     park for p_delay and try again; when the attempts are used up, the job has failed
--   wait      go back without using the attempt, not before p_delay (a full account, a paused provider)
--   release   go back at once without using the attempt (a draining worker, a database conflict)
--   permanent the job has failed; the key is not queued again for p_cooldown
-- Returns no row when the token is outdated.
create function openbell.end_attempt(
    p_job bigint, p_token bigint, p_kind text, p_code text, p_message text, p_delay interval, p_cooldown interval,
    p_spend bigint[], p_spend_state text[], p_spend_outcome text[],
    p_spend_bytes bigint[], p_spend_cost bigint[], p_spend_ref text[]
) returns table (state text, run_at timestamptz)
language plpgsql as $$
declare
    j openbell.job;
    v_now timestamptz;
begin
    select * into j from openbell.job t where t.id = p_job and t.token = p_token for update;
    if not found then
        return;
    end if;
    perform openbell.settle(p_spend, p_spend_state, p_spend_outcome, p_spend_bytes, p_spend_cost, p_spend_ref);
    delete from openbell.seat s where s.job_id = j.id;
    v_now := openbell.now();
    if exists (select 1 from openbell.spend s
        where s.job_id = j.id and s.state = 'unknown' and s.effect <> 'repeat') then
        p_kind := 'permanent';
        p_code := 'outcome_unknown';
        p_message := 'a call that must not be repeated blindly may have happened; see the spend (' || p_message || ')';
    elsif p_kind in ('retry', 'wait', 'release') and exists (select 1 from openbell.spend s
        where s.id = any (p_spend) and s.state = 'settled' and s.effect <> 'repeat') then
        p_kind := 'permanent';
        p_code := 'result_lost';
        p_message := 'a call that must not be repeated was made and its result was not kept; see the spend (' || p_message || ')';
    end if;

    if j.cancelled_by is not null then
        perform openbell.finish(j, 'cancelled', null, 'cancelled', 'cancelled by ' || j.cancelled_by);
        return query select 'cancelled', null::timestamptz;
    elsif p_kind in ('wait', 'release') then
        update openbell.job t
        set parked_until = case when p_delay > interval '0' then v_now + p_delay end, attempt = t.attempt - 1, reason = p_message,
            worker = null, token = null, started_at = null
        where t.id = j.id;
        return query select 'waiting', v_now + p_delay;
    else
        j.trail := coalesce(j.trail, '[]') || jsonb_build_object('attempt', j.attempt, 'worker', j.worker, 'started_at', j.started_at,
            'ended_at', v_now, 'code', p_code, 'message', p_message);
        if p_kind = 'retry' and j.attempt < j.max_attempts then
            update openbell.job t
            set parked_until = case when p_delay > interval '0' then v_now + p_delay end, reason = p_message, trail = j.trail,
                worker = null, token = null
            where t.id = j.id;
            return query select case when p_delay > interval '0' then 'parked' else 'waiting' end, v_now + p_delay;
        else
            insert into openbell.cooldown as c (product, key, code, message, at, retry_at, job_id)
            values (j.product, j.key, p_code, p_message, v_now, v_now + p_cooldown, j.id)
            on conflict (product, key) do update
            set code = excluded.code, message = excluded.message, at = excluded.at, retry_at = excluded.retry_at,
                job_id = excluded.job_id, failures = c.failures + 1;
            perform openbell.finish(j, 'failed', null, p_code, p_message);
            return query select 'failed', v_now + p_cooldown;
        end if;
    end if;
end $$;

-- Takes running jobs from workers whose lease has expired. Their open spends become unknown. An attempt is used; where a
-- call that must not be repeated may have happened, the job has failed. It reads the whole live table: a lost process is rare.
create function openbell.rescue(p_limit integer)
returns table (job_id bigint, product text, key text, worker bigint, state text)
language plpgsql as $$
declare
    r record;
    v_state text;
begin
    for r in
        select j.id, j.token, j.product, j.key, j.worker, p.retry_ttl,
            (select coalesce(array_agg(s.id), '{}') from openbell.spend s where s.job_id = j.id and s.token = j.token and s.ended_at is null) as spends,
            exists (select 1 from openbell.spend s
                where s.job_id = j.id and s.token = j.token and s.ended_at is null and s.effect <> 'repeat') as doubtful
        from openbell.job j
        left join openbell.product p on p.name = j.product
        where j.token is not null
            and not exists (select 1 from openbell.worker w where w.id = j.worker and w.expires_at > openbell.now())
        order by j.id limit p_limit for update of j skip locked
    loop
        select e.state into v_state from openbell.end_attempt(
            r.id, r.token, case when r.doubtful then 'permanent' else 'retry' end,
            case when r.doubtful then 'outcome_unknown' else 'process_gone' end,
            case when r.doubtful then 'the worker was lost in a call that must not be repeated blindly; see the spend'
                 else 'the worker stopped answering' end,
            interval '0', coalesce(r.retry_ttl, interval '1 minute'), r.spends,
            array_fill('unknown'::text, array[cardinality(r.spends)]),
            array_fill('the worker stopped answering'::text, array[cardinality(r.spends)]),
            array_fill(null::bigint, array[cardinality(r.spends)]), array_fill(null::bigint, array[cardinality(r.spends)]),
            array_fill(null::text, array[cardinality(r.spends)])) e;
        return query select r.id, r.product, r.key, r.worker, v_state;
    end loop;
end $$;

-- Cancels a live job: at once while it waits, at the next boundary while it runs. Returns its state afterwards.
create function openbell.cancel_job(p_job bigint, p_actor text) returns text
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

-- Finishes a job that turned out not to be needed: its key was refreshed between the sweep and the claim ('unchanged'),
-- or nobody asks for it any more ('expired').
create function openbell.skip_job(p_job bigint, p_token bigint, p_outcome text, p_message text) returns boolean
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

-- Queues a job again by hand: the latest failure of its key is forgotten. Returns the id of the live job.
create function openbell.retry_job(p_job bigint, p_actor text) returns bigint
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

-- Claims jobs one by one under the limits of openbell.seat_limit. Claims of limited work take turns, so the counts are
-- exact; a product or class that is full is left out of the search, so that it hides nobody behind it. Small tasks are
-- claimed singly here, after all others.
create function openbell.claim_seated(p_products text[], p_classes smallint[], p_worker bigint, p_most integer)
returns setof openbell.job
language plpgsql set plan_cache_mode = force_custom_plan as $$
declare
    r openbell.job;
    v_token bigint := openbell.new_token();
    v_now timestamptz;
    v_full text;
begin
    perform pg_advisory_xact_lock(hashtext('openbell.seat'));
    v_now := openbell.now();
    while p_most > 0 loop
        select j.* into r from openbell.job j
        where j.parked_until is null and j.token is null
            and array_position(p_classes, j.job_class) is not null and j.product = any (p_products)
        order by j.bundled, j.job_class, (-j.number), j.id
        limit 1 for update skip locked;
        exit when not found;
        v_full := openbell.full_limit(r.product, r.job_class);
        if v_full = 'product' then
            p_products := array_remove(p_products, r.product);
        elsif v_full is not null then
            p_classes := array_remove(p_classes, r.job_class);
        else
            insert into openbell.seat (job_id, product, job_class) values (r.id, r.product, r.job_class)
            on conflict (job_id) do nothing;
            update openbell.job j set attempt = j.attempt + 1, worker = p_worker, token = v_token, started_at = v_now
            where j.id = r.id returning * into r;
            p_most := p_most - 1;
            return next r;
        end if;
    end loop;
end $$;

-- The scope of a limit that leaves no room for one more job of this product and class, null where there is room. Each other
-- class that has work waiting keeps the floor that it still needs.
create function openbell.full_limit(p_product text, p_class smallint) returns text
language sql stable as $$
    with taken as materialized (
        select s.product, s.job_class, count(*) as n from openbell.seat s group by s.product, s.job_class
    )
    select l.scope from openbell.seat_limit l
    where case l.scope
        when 'total' then (select coalesce(sum(n), 0) from taken) + coalesce((
            select sum(greatest(f.least - (select coalesce(sum(t.n), 0) from taken t where t.job_class = f.name::smallint), 0))
            from openbell.seat_limit f
            where f.scope = 'class' and f.least > 0 and f.name::smallint <> p_class
                and exists (select 1 from openbell.job j
                    where j.job_class = f.name::smallint and j.parked_until is null and j.token is null)), 0) >= l.most
        when 'class' then l.name = p_class::text and (select coalesce(sum(t.n), 0) from taken t where t.job_class = p_class) >= l.most
        else l.name = p_product and (select coalesce(sum(t.n), 0) from taken t where t.product = p_product) >= l.most
    end
    order by l.scope = 'product' desc limit 1
$$;

-- Writes the memo of a finished step together with the spends that it made. False when the token is outdated or the job is
-- cancelled; the first result of a step stays.
create function openbell.save_step(
    p_job bigint, p_token bigint, p_name text, p_value jsonb,
    p_spend bigint[], p_spend_state text[], p_spend_outcome text[],
    p_spend_bytes bigint[], p_spend_cost bigint[], p_spend_ref text[]
) returns boolean
language plpgsql as $$
begin
    perform 1 from openbell.job j where j.id = p_job and j.token = p_token and j.cancelled_by is null for update;
    if not found then
        return false;
    end if;
    perform openbell.settle(p_spend, p_spend_state, p_spend_outcome, p_spend_bytes, p_spend_cost, p_spend_ref);
    insert into openbell.step (job_id, name, token, value) values (p_job, p_name, p_token, coalesce(p_value, 'null'))
    on conflict (job_id, name) do nothing;
    return true;
end $$;

-- Finishes a task: work that leaves no artifact. Returns no row when the token is outdated.
create function openbell.complete(
    p_job bigint, p_token bigint,
    p_spend bigint[], p_spend_state text[], p_spend_outcome text[],
    p_spend_bytes bigint[], p_spend_cost bigint[], p_spend_ref text[]
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
    perform openbell.settle(p_spend, p_spend_state, p_spend_outcome, p_spend_bytes, p_spend_cost, p_spend_ref);
    v_outcome := case when j.cancelled_by is null then 'done' else 'cancelled' end;
    perform openbell.finish(j, v_outcome, null, null, null);
    return query select v_outcome::text;
end $$;

-- Claims many small tasks at once. The search begins behind the place that the last claim has reached, so that it need not
-- pass again what was there. Rows are found again by their place on the page: between the lock and the change nobody can
-- move them. The plan is made for these very arguments: one for all alike took 24 ms under a held snapshot instead of 0.3.
create function openbell.claim_bundle(
    p_products text[], p_classes smallint[], p_worker bigint, p_most integer, p_class smallint, p_rank smallint, p_id bigint
) returns table (
    id bigint, product text, key text, token bigint, attempt smallint, max_attempts smallint, job_class smallint, rank smallint,
    queued_at timestamptz, now timestamptz, args jsonb
)
language plpgsql set plan_cache_mode = force_custom_plan set enable_sort = off set enable_bitmapscan = off set enable_seqscan = off as $$
#variable_conflict use_column
declare
    v_token bigint := openbell.new_token();
    v_now timestamptz := openbell.now();
begin
    -- Losing a claim in a crash loses nothing.
    perform set_config('synchronous_commit', 'off', true);
    return query
    with picked as (
        select j.ctid as place
        from openbell.job j
        where j.bundled and j.parked_until is null and j.token is null
            and (j.job_class, -j.number, j.id) > (p_class, p_rank, p_id)
            and array_position(p_classes, j.job_class) is not null and j.product = any (p_products)
        order by j.job_class, (-j.number), j.id
        limit p_most for update skip locked
    )
    update openbell.job j
    set attempt = j.attempt + 1, worker = p_worker, token = v_token, started_at = v_now
    where j.ctid = any (array(select place from picked))
    returning j.id, j.product, j.key, j.token, j.attempt, j.max_attempts, j.job_class, -j.number, j.queued_at, v_now, j.args;
end $$;
