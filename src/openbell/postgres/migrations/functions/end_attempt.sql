-- Ends an attempt that brought no result.
--   retry     park for p_delay and try again; when the attempts are used up, the job has failed
--   wait      go back without using the attempt, not before p_delay (a full account, a paused provider)
--   release   go back at once without using the attempt (a draining worker, a database conflict)
--   permanent the job has failed; the key is not queued again for p_cooldown
-- Returns no row when the token is outdated.
create or replace function openbell.end_attempt(
    p_job bigint, p_token bigint, p_kind text, p_code text, p_message text, p_delay interval, p_cooldown interval,
    p_ended jsonb
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
    -- Calls that nobody has ended are lost. They are looked up under the lock, in a statement of their own: a snapshot from
    -- before it misses the spend that a thawed process has reserved meanwhile, and its call would be made a second time.
    perform openbell.settle(p_ended || coalesce((
        select jsonb_agg(openbell.lost_call(s, p_message)) from openbell.spend s
        where s.job_id = p_job and s.token = p_token and s.ended_at is null
            and not exists (select 1 from jsonb_to_recordset(p_ended) as u (id bigint) where u.id = s.id)), '[]'));
    delete from openbell.seat s where s.job_id = j.id;
    v_now := openbell.now();
    if exists (select 1 from openbell.spend s
        where s.job_id = j.id and s.state = 'unknown' and (s.effect = 'never' or s.effect = 'resend' and s.resend_until <= v_now)) then
        p_kind := 'permanent';
        p_code := 'outcome_unknown';
        p_message := 'a call that must not be repeated blindly may have happened; see the spend (' || p_message || ')';
    elsif p_kind in ('retry', 'wait', 'release') and exists (select 1 from openbell.spend s
        join jsonb_to_recordset(p_ended) as u (id bigint) on u.id = s.id where s.state = 'settled' and s.effect = 'never') then
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
            -- What may have been paid for is not tried again before an operator has looked.
            insert into openbell.cooldown as c (product, key, code, message, at, retry_at, job_id)
            values (j.product, j.key, p_code, p_message, v_now,
                case when p_code in ('outcome_unknown', 'result_lost') then timestamptz '9999-12-31 00:00:00+00' else v_now + p_cooldown end, j.id)
            on conflict (product, key) do update
            set code = excluded.code, message = excluded.message, at = excluded.at, retry_at = excluded.retry_at,
                job_id = excluded.job_id, failures = c.failures + 1;
            perform openbell.finish(j, 'failed', null, p_code, p_message);
            return query select 'failed', v_now + p_cooldown;
        end if;
    end if;
end $$;
