-- phase: expand
--
-- reserve ──▶ (the call) ──▶ settle
--
-- A spend is reserved before its call: all the accounts that it touches, or none. When the call has ended it is
-- settled with what it truly took. A call that may have happened is never given back.

-- Reserves a batch. Request n of the arrays is answered by row n: 'ok' with a spend id, or why not:
--   fenced   the job is no longer held under this token
--   missing  an account does not exist; a missing limit blocks
--   too_big  it is more than an account ever grants
--   paused   an account is paused until frees_at
--   full     an account has no room; frees_at says when there is enough again, and is null where only the other
--            requests of this batch are in the way
-- Two statements on purpose: the sums must be read under a snapshot that is taken after the locks.
create function openbell.reserve(
    p_job bigint[], p_token bigint[], p_product text[], p_key text[], p_provider text[], p_operation text[],
    p_effect text[], p_idempotency_key text[], p_timeout interval[],
    p_leg_request integer[], p_leg_account bigint[], p_leg_amount bigint[]
) returns table (request integer, spend_id bigint, verdict text, account_id bigint, frees_at timestamptz)
language plpgsql as $$
declare
    v_now timestamptz;
begin
    -- A rescue must not take a job while a spend is being made for it: it would see none and let the call be made twice.
    perform 1 from openbell.job j where j.id = any (p_job) order by j.id for key share;
    perform 1 from openbell.account a where a.id = any (p_leg_account) order by a.id for no key update;
    v_now := openbell.now();
    perform openbell.age_out(p_leg_account, v_now);

    return query
    with asked as (
        select u.* from unnest(p_job, p_token, p_product, p_key, p_provider, p_operation, p_effect, p_idempotency_key, p_timeout)
            with ordinality as u (job, token, product, key, provider, operation, effect, idempotency_key, timeout, n)
    ), leg as (
        select u.request as n, u.account, u.amount, a.id as found, a.blocked_until, least(a.granted, a.lowered_to) as granted,
            least(a.granted, a.lowered_to) - a.held - a.spent - a.overrun as free
        from unnest(p_leg_request, p_leg_account, p_leg_amount) as u (request, account, amount)
        left join openbell.account a on a.id = u.account
    ), eligible as (
        select asked.n,
            case
                when asked.job is not null and not exists (
                    select 1 from openbell.job j where j.id = asked.job and j.token = asked.token and j.cancelled_by is null
                ) then 'fenced'
                when not coalesce(bool_and(leg.found is not null), false) then 'missing'
                when bool_or(leg.amount > leg.granted) then 'too_big'
                when bool_or(leg.blocked_until > v_now) then 'paused'
                when bool_or(leg.amount > leg.free) then 'full'
            end as refusal,
            (array_agg(leg.account order by leg.amount > leg.granted desc, leg.blocked_until desc nulls last, leg.amount - leg.free desc))[1] as account
        from asked left join leg on leg.n = asked.n
        group by asked.n, asked.job, asked.token
    ), summed as (
        select leg.n, sum(leg.amount) over (partition by leg.account order by leg.n rows unbounded preceding) > leg.free as over
        from leg join eligible on eligible.n = leg.n where eligible.refusal is null
    ), judged as (
        select eligible.n, eligible.account, eligible.refusal is not null as alone,
            coalesce(eligible.refusal, case when bool_or(summed.over) then 'full' else 'ok' end) as verdict
        from eligible left join summed on summed.n = eligible.n
        group by eligible.n, eligible.account, eligible.refusal
    ), numbered as (
        select judged.*, case when judged.verdict = 'ok' then nextval('openbell.spend_id_seq') end as sid from judged
    ), intent as (
        insert into openbell.spend (id, job_id, token, product, key, provider, operation, effect, idempotency_key, timeout, intended_at)
        overriding system value
        select numbered.sid, asked.job, asked.token, asked.product, asked.key, asked.provider, asked.operation, asked.effect::openbell.effect,
            asked.idempotency_key, asked.timeout, v_now
        from numbered join asked on asked.n = numbered.n where numbered.sid is not null
    ), held as (
        insert into openbell.hold (spend_id, account_id, amount)
        select numbered.sid, leg.account, sum(leg.amount)
        from numbered join leg on leg.n = numbered.n where numbered.sid is not null
        group by numbered.sid, leg.account
    ), taken as (
        update openbell.account a set held = a.held + s.amount
        from (
            select leg.account, sum(leg.amount) as amount
            from numbered join leg on leg.n = numbered.n where numbered.sid is not null group by leg.account
        ) s
        where a.id = s.account
    )
    select numbered.n::integer, numbered.sid, numbered.verdict,
        case when numbered.verdict in ('paused', 'full', 'too_big') then numbered.account end,
        case numbered.verdict
            when 'paused' then (select a.blocked_until from openbell.account a where a.id = numbered.account)
            when 'full' then case when numbered.alone then openbell.room_at(numbered.account,
                (select (leg.amount - leg.free)::bigint from leg where leg.n = numbered.n and leg.account = numbered.account), v_now) end
        end
    from numbered order by numbered.n;
end $$;

-- Takes off the sums what is due: aged out of a sliding window, given back, or charged. The caller holds the locks.
create function openbell.age_out(p_accounts bigint[], p_now timestamptz) returns void
language sql as $$
    with gone as (
        delete from openbell.aging g where g.account_id = any (p_accounts) and g.frees_at <= p_now
        returning g.account_id, g.amount, g.charged, g.excess
    )
    update openbell.account a
    set held = a.held - s.amount, spent = a.spent + s.charged, overrun = a.overrun - s.excess,
        granted = case when a.lowered_to is null then a.granted
                       else greatest(a.lowered_to, a.held - s.amount + a.spent + s.charged) end,
        lowered_to = case when a.lowered_to < a.held - s.amount + a.spent + s.charged then a.lowered_to end
    from (
        select account_id, sum(amount) as amount, sum(charged) as charged, sum(excess) as excess from gone group by account_id
    ) s
    where a.id = s.account_id
$$;

-- When p_need more will have aged out; a second from now where calls in flight decide it.
create function openbell.room_at(p_account bigint, p_need bigint, p_now timestamptz) returns timestamptz
language sql stable as $$
    select coalesce((
        select s.frees_at from (
            select g.frees_at, sum(g.amount + g.excess) over (order by g.frees_at) as freed
            from openbell.aging g where g.account_id = p_account
        ) s
        where s.freed >= p_need order by s.frees_at limit 1
    ), p_now + interval '1 second')
$$;

-- Ends spends. Row n of the arrays: settled (it took this much), unanswered (settled; but the request may be on its way until
-- its time-out), released (proven not to have happened) or unknown.
-- A spend that has ended already is left as it is. What an account measures decides what a call took of it:
-- 'bytes' the bytes, 'usd_micro' the cost, anything else what was held; what is not known is what was held.
-- Only a call that took more than was held touches the account itself.
create function openbell.settle(
    p_spend bigint[], p_state text[], p_outcome text[], p_bytes bigint[], p_cost_micro bigint[], p_provider_ref text[]
) returns void
language plpgsql as $$
declare
    v_now timestamptz := openbell.now();
begin
    if cardinality(p_spend) = 0 then
        return;
    end if;

    with told as (
        select u.* from unnest(p_spend, p_state, p_outcome, p_bytes, p_cost_micro, p_provider_ref)
            as u (id, state, outcome, bytes, cost, ref)
    ), ended as (
        update openbell.spend s
        set state = case u.state when 'unanswered' then 'settled' else u.state end::openbell.spend_state, outcome = u.outcome, bytes = u.bytes, ended_at = v_now,
            cost_micro = case when u.state = 'released' then 0 else coalesce(u.cost, (
                select sum(h.amount) from openbell.hold h join openbell.account a on a.id = h.account_id
                where h.spend_id = s.id and a.resource = 'usd_micro'), 0) end,
            provider_ref = coalesce(u.ref, s.provider_ref)
        from told u
        where s.id = u.id and s.ended_at is null
        returning s.id, u.state, u.bytes, u.cost, 
            greatest(v_now, case when u.state in ('unknown', 'unanswered') then s.intended_at + s.timeout end) as at
    ), closed as (
        delete from openbell.hold h using ended e, openbell.account a
        where h.spend_id = e.id and a.id = h.account_id
        returning h.account_id, h.amount as held, a.closes,
            case when e.state = 'released' or a.closes = 'release' then 0
                 when e.state = 'unknown' then h.amount
                 when a.resource = 'bytes' then coalesce(e.bytes, h.amount)
                 when a.resource = 'usd_micro' then coalesce(e.cost, h.amount)
                 else h.amount end as taken,
            case when a.grain > interval '0' then date_bin(a.grain, e.at + a.span + a.grain, timestamptz 'epoch') else e.at + a.span end as frees_at
    ), used as (
        insert into openbell.aging (account_id, frees_at, amount, excess)
        select c.account_id, c.frees_at, least(c.taken, c.held), greatest(c.taken - c.held, 0)
        from closed c where c.closes = 'age' and c.taken > 0
    ), back as (
        insert into openbell.aging (account_id, frees_at, amount, charged)
        select c.account_id, v_now, case when c.closes = 'age' then c.held - least(c.taken, c.held) else c.held end,
            case when c.closes = 'charge' then least(c.taken, c.held) else 0 end
        from closed c where c.closes <> 'age' or c.taken < c.held
    )
    update openbell.account a set overrun = a.overrun + s.excess
    from (
        select c.account_id, sum(c.taken - c.held) as excess from closed c where c.taken > c.held group by c.account_id
    ) s
    where a.id = s.account_id;
end $$;

-- Makes one row of the many that age out of an account at the same moment; long windows have one such moment a grain.
create function openbell.compact_aging() returns void
language plpgsql as $$
declare
    v_accounts bigint[];
begin
    select coalesce(array_agg(a.id), '{}') into v_accounts from openbell.account a where a.grain > interval '0';
    perform 1 from openbell.account a where a.id = any (v_accounts) order by a.id for no key update;
    perform openbell.age_out(v_accounts, openbell.now());
    with many as (
        select g.account_id, g.frees_at from openbell.aging g where g.account_id = any (v_accounts)
        group by g.account_id, g.frees_at having count(*) > 1
    ), gone as (
        delete from openbell.aging g using many m where g.account_id = m.account_id and g.frees_at = m.frees_at
        returning g.account_id, g.frees_at, g.amount, g.charged, g.excess
    )
    insert into openbell.aging (account_id, frees_at, amount, charged, excess)
    select g.account_id, g.frees_at, sum(g.amount), sum(g.charged), sum(g.excess) from gone g group by g.account_id, g.frees_at;
end $$;

-- Ends spends that no attempt will end any more: the call had its time, and the job is not running under that token.
create function openbell.recover_spends(p_grace interval) returns integer
language plpgsql as $$
declare
    v_lost bigint[];
begin
    select coalesce(array_agg(s.id), '{}') into v_lost from (
        select t.id from openbell.spend t
        where t.ended_at is null and t.intended_at + t.timeout + p_grace < openbell.now()
            and not exists (select 1 from openbell.job j where j.id = t.job_id and j.token = t.token)
        order by t.id limit 500
    ) s;
    perform openbell.settle(v_lost,
        array_fill('unknown'::text, array[cardinality(v_lost)]), array_fill('nobody ended it'::text, array[cardinality(v_lost)]),
        array_fill(null::bigint, array[cardinality(v_lost)]), array_fill(null::bigint, array[cardinality(v_lost)]),
        array_fill(null::text, array[cardinality(v_lost)]));
    return cardinality(v_lost);
end $$;
