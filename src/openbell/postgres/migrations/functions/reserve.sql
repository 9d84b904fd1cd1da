-- Reserves a batch. Request n of the arrays is answered by row n: 'ok' with a spend id, or why not:
--   fenced   the job is no longer held under this token
--   missing  an account does not exist; a missing limit blocks
--   too_big  it is more than an account ever grants
--   paused   an account is paused until frees_at
--   full     an account has no room; frees_at says when there is enough again, and is null where only the other
--            requests of this batch are in the way
-- Two statements on purpose: the sums must be read under a snapshot that is taken after the locks.
create or replace function openbell.reserve(
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
