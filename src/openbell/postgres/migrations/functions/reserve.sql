-- reserve ──▶ (mark_sent) ──▶ the call ──▶ settle
--
-- A spend is reserved before its call: all the accounts that it touches, or none. A call that has an idempotency key is one
-- spend however often it is made; made again it takes no more money, and `resumed` says that it may have happened.
--
-- Reserves a batch; an array of nulls only may be empty. Request n of the arrays is answered by row n: 'ok' with a spend id, or why not:
--   fenced    the job is no longer held under this token
--   busy      another attempt makes the call of this idempotency key right now (one of no job until frees_at, when its time is
--             over), or an earlier request may still be on its way until then to a provider who would be asked too early
--   made      the call of this key has happened, and is not to be made again
--   expired   it may have happened, and is not to be made again
--   missing   an account does not exist; a missing limit blocks
--   turned    the period of an account has ended; ask for the account of the next one
--   too_big   it is more than an account ever grants
--   open      the breaker of the provider is open until frees_at
--   retired   that of the operation is
--   paused    an account is paused until frees_at
--   reserved  an account keeps the rest for more urgent classes
--   full      an account has no room; frees_at says when there is enough again, and is null where only the other
--             requests of this batch are in the way
-- Two statements on purpose: the sums must be read under a snapshot that is taken after the locks.
create or replace function openbell.reserve(
    p_job bigint[], p_token bigint[], p_product text[], p_key text[], p_provider text[], p_operation text[], p_on_behalf text[],
    p_effect text[], p_idempotency_key text[], p_window interval[], p_timeout interval[], p_held jsonb[],
    p_leg_request integer[], p_leg_account bigint[], p_leg_amount bigint[]
) returns table (
    request integer, spend_id bigint, verdict text, account_id bigint, frees_at timestamptz, resumed boolean, provider_ref text)
language plpgsql set plan_cache_mode = force_generic_plan set enable_seqscan = off set enable_bitmapscan = off as $$
#variable_conflict use_column
declare
    v_now timestamptz;
    v_plain boolean := not exists (select 1 from unnest(p_idempotency_key) as u (key) where u.key is not null);
    v_ids bigint[];
    v_named boolean;
begin
    -- A rescue must not take a job while a spend is being made for it: it would see none and let the call be made twice.
    perform 1 from openbell.job j where j.id = any (p_job) order by j.id for key share;
    perform pg_advisory_xact_lock(k.hash) from (
        select distinct hashtextextended(u.provider || ':' || u.key, 0) as hash
        from unnest(p_provider, p_idempotency_key) as u (provider, key) where u.key is not null order by 1) k;
    perform 1 from openbell.breaker b where b.provider = any (p_provider) order by b.provider, b.operation for update;
    v_plain := v_plain and not found;
    perform 1 from openbell.account a where a.id = any (p_leg_account) order by a.id for no key update;
    v_now := openbell.now();
    perform openbell.age_out(p_leg_account, v_now);

    -- Nearly always nothing is in the way: no keys, no breakers, every job in the right hands, and every account there, running,
    -- not paused, with room for all of the batch beside all that it keeps for urgent classes. Then no request is judged by itself.
    if v_plain and (select count(distinct l.request) from unnest(p_leg_request) as l (request)) = cardinality(p_provider)
        and not exists (
            select 1 from unnest(p_job, p_token) as u (id, token) left join openbell.job j on j.id = u.id
            where u.id is not null and (j.token is distinct from u.token or j.cancelled_by is not null))
        and not exists (
            select 1
            from (select l.account, sum(l.amount) as amount from unnest(p_leg_account, p_leg_amount) as l (account, amount) group by l.account) s
            left join openbell.account a on a.id = s.account
            where a.id is null or a.ends_at <= v_now or a.blocked_until > v_now
                or s.amount > least(a.granted, a.lowered_to) - a.held - a.spent - a.overrun
                    - case when a.floors = '{}' then 0 else (select sum(f.value::bigint) from jsonb_each_text(a.floors) f) end)
    then
        v_named := exists (select 1 from openbell.account a where a.id = any (p_leg_account) and a.credential is not null);
        v_ids := array(select nextval('openbell.spend_id_seq') from generate_series(1, cardinality(p_provider)));
        insert into openbell.spend (
            id, job_id, token, product, key, provider, operation, on_behalf, effect, resend_until, timeout, intended_at, tried_at, held,
            credential)
        overriding system value
        select v_ids[u.n], u.job, u.token, u.product, u.key, u.provider, u.operation, u.on_behalf,
            u.effect::openbell.effect, v_now + u.resend_for, u.timeout, v_now, v_now, u.held,
            case when v_named then (
                select max(a.credential) from unnest(p_leg_request, p_leg_account) as l (request, account)
                join openbell.account a on a.id = l.account where l.request = u.n) end
        from unnest(p_job, p_token, p_product, p_key, p_provider, p_operation, p_on_behalf, p_effect, p_window, p_timeout, p_held)
            with ordinality as u (job, token, product, key, provider, operation, on_behalf, effect, resend_for, timeout, held, n);
        insert into openbell.hold (spend_id, account_id, amount)
        select v_ids[l.request], l.account, sum(l.amount)
        from unnest(p_leg_request, p_leg_account, p_leg_amount) as l (request, account, amount) group by l.request, l.account;
        update openbell.account a set held = a.held + s.amount
        from (
            select l.account, sum(l.amount) as amount from unnest(p_leg_account, p_leg_amount) as l (account, amount) group by l.account
        ) s
        where a.id = s.account and s.amount > 0;
        return query select u.n::integer, u.id, 'ok', null::bigint, null::timestamptz, false, null::text from unnest(v_ids) with ordinality as u (id, n);
        return;
    end if;

    return query
    with asked as (
        select u.*, j.token is not distinct from u.token and j.cancelled_by is null as ours, coalesce(j.job_class, 0) as job_class,
            e.id as earlier, e.provider_ref,
            h.id is not null and e.ended_at is null as busy,
            case when e.job_id is null and e.ended_at is null and e.outcome is null
                or u.effect = 'lookup' and e.state in ('sent', 'unknown') and e.provider_ref is null then e.tried_at + e.timeout end as on_its_way_until,
            coalesce(e.state in ('sent', 'settled', 'unknown'), false) as may_have_been,
            coalesce(e.state = 'settled', false) as is_known,
            coalesce(u.effect = 'never' or u.effect = 'resend' and e.resend_until <= v_now, false) as too_late,
            row_number() over (partition by u.provider, coalesce(u.idempotency_key, u.n::text) order by u.n) > 1 as second
        from unnest(p_job, p_token, p_product, p_key, p_provider, p_operation, p_on_behalf, p_effect, p_idempotency_key, p_window, p_timeout, p_held)
            with ordinality as u (job, token, product, key, provider, operation, on_behalf, effect, idempotency_key, resend_for, timeout, held, n)
        left join openbell.job j on j.id = u.job
        left join openbell.spend e on e.provider = u.provider and e.idempotency_key = u.idempotency_key
        left join openbell.job h on h.id = e.job_id and h.token = e.token
    ), leg as (
        select l.request as n, l.account, a.id as found, a.ends_at <= v_now as turned, a.blocked_until, least(a.granted, a.lowered_to) as granted,
            case when a.closes = 'charge' and asked.may_have_been then 0
                when o.spend_id is not null then 0
                else l.amount end as amount,
            l.amount = 0 as is_free,
            least(a.granted, a.lowered_to) - a.held - a.spent - a.overrun as room,
            case when a.floors = '{}' then 0 else
                coalesce((select sum(f.value::bigint) from jsonb_each_text(a.floors) f where f.key::smallint < asked.job_class), 0) end as kept
        from unnest(p_leg_request, p_leg_account, p_leg_amount) as l (request, account, amount)
        join asked on asked.n = l.request
        left join openbell.account a on a.id = l.account
        left join openbell.hold o on o.spend_id = asked.earlier and o.account_id = l.account
    ), gate as (
        select asked.n, b.provider, b.operation, b.open_until > v_now or row_number() over (partition by b.provider, b.operation order by asked.n) > 1 as shut,
            greatest(b.open_until, v_now + asked.timeout) as until
        from asked join openbell.breaker b on b.provider = asked.provider and b.operation in ('', asked.operation)
    ), eligible as (
        select asked.n,
            case
                when asked.job is not null and not asked.ours then 'fenced'
                when asked.busy or asked.second or asked.on_its_way_until > v_now then 'busy'
                when asked.may_have_been and asked.too_late then case when asked.is_known then 'made' else 'expired' end
                when not coalesce(bool_and(leg.found is not null), false) then 'missing'
                when bool_or(leg.turned) then 'turned'
                when bool_or(leg.amount > leg.granted) then 'too_big'
                when exists (select 1 from gate where gate.n = asked.n and gate.shut and gate.operation <> '') then 'retired'
                when exists (select 1 from gate where gate.n = asked.n and gate.shut) then 'open'
                when bool_or(leg.amount > 0 and leg.blocked_until > v_now) then 'paused'
                when bool_or(leg.amount > leg.room and leg.amount > 0) then 'full'
                when bool_or(leg.amount > leg.room - leg.kept and leg.amount > 0) then 'reserved'
            end as refusal,
            (array_agg(leg.account order by coalesce(leg.turned, false) desc, leg.amount > leg.granted desc,
                case when leg.amount > 0 and leg.blocked_until > v_now then leg.blocked_until end desc nulls last,
                case when leg.amount > 0 then leg.amount - leg.room + leg.kept end desc nulls last))[1] as account
        from asked left join leg on leg.n = asked.n
        group by asked.n, asked.job, asked.ours, asked.busy, asked.second, asked.on_its_way_until, asked.may_have_been, asked.too_late, asked.is_known
    ), summed as (
        select leg.n, sum(leg.amount) over (partition by leg.account order by leg.n rows unbounded preceding) > leg.room - leg.kept and leg.amount > 0 as over
        from leg join eligible on eligible.n = leg.n where eligible.refusal is null
    ), judged as (
        select eligible.n, eligible.account, eligible.refusal is not null as alone,
            coalesce(eligible.refusal, case when bool_or(summed.over) then 'full' else 'ok' end) as verdict
        from eligible left join summed on summed.n = eligible.n
        group by eligible.n, eligible.account, eligible.refusal
    ), numbered as (
        select judged.*, asked.may_have_been, asked.earlier, asked.provider_ref,
            case when judged.verdict = 'ok' then coalesce(asked.earlier, nextval('openbell.spend_id_seq')) end as sid
        from judged join asked on asked.n = judged.n
    ), intent as (
        insert into openbell.spend (
            id, job_id, token, product, key, provider, operation, on_behalf, effect, idempotency_key, resend_until, timeout, intended_at, tried_at, held,
            credential)
        overriding system value
        select numbered.sid, asked.job, asked.token, asked.product, asked.key, asked.provider, asked.operation, asked.on_behalf,
            asked.effect::openbell.effect, asked.idempotency_key, v_now + asked.resend_for, asked.timeout, v_now, v_now, asked.held,
            (select max(a.credential) from leg join openbell.account a on a.id = leg.account where leg.n = asked.n)
        from numbered join asked on asked.n = numbered.n where numbered.sid is not null and numbered.earlier is null
    ), again as (
        update openbell.spend s
        set job_id = asked.job, token = asked.token, timeout = asked.timeout, tried_at = v_now, ended_at = null, outcome = null,
            state = case when asked.may_have_been then 'sent' else 'intended' end::openbell.spend_state,
            intended_at = case when asked.may_have_been or s.ended_at is null then s.intended_at else v_now end,
            held = case when asked.may_have_been then s.held else asked.held end,
            resend_until = case when asked.may_have_been then s.resend_until else v_now + asked.resend_for end
        from numbered join asked on asked.n = numbered.n
        where s.id = numbered.sid and numbered.earlier is not null
    ), held as (
        insert into openbell.hold as h (spend_id, account_id, amount)
        select numbered.sid, leg.account, sum(leg.amount)
        from numbered join leg on leg.n = numbered.n where numbered.sid is not null and (leg.amount > 0 or leg.is_free)
        group by numbered.sid, leg.account
        on conflict (spend_id, account_id) do update set amount = h.amount + excluded.amount
    ), taken as (
        update openbell.account a set held = a.held + s.amount
        from (
            select leg.account, sum(leg.amount) as amount
            from numbered join leg on leg.n = numbered.n where numbered.sid is not null group by leg.account
        ) s
        where a.id = s.account
    ), probed as (
        update openbell.breaker b set probe = numbered.sid, open_until = gate.until
        from numbered join gate on gate.n = numbered.n
        where numbered.sid is not null and b.provider = gate.provider and b.operation = gate.operation
    )
    select numbered.n::integer, numbered.sid, numbered.verdict,
        case when numbered.verdict in ('turned', 'paused', 'full', 'reserved', 'too_big') then numbered.account end,
        case numbered.verdict
            when 'paused' then (select a.blocked_until from openbell.account a where a.id = numbered.account)
            when 'busy' then (select asked.on_its_way_until from asked where asked.n = numbered.n)
            when 'open' then (select max(gate.until) from gate where gate.n = numbered.n)
            when 'retired' then (select max(gate.until) from gate where gate.n = numbered.n)
            when 'full' then case when numbered.alone then openbell.room_at(numbered.account,
                (select max(leg.amount - leg.room)::bigint from leg where leg.n = numbered.n and leg.account = numbered.account), v_now) end
            when 'reserved' then openbell.room_at(numbered.account,
                (select max(leg.amount - leg.room + leg.kept)::bigint from leg where leg.n = numbered.n and leg.account = numbered.account), v_now)
        end,
        numbered.sid is not null and numbered.may_have_been, numbered.provider_ref
    from numbered order by numbered.n;
end $$;
