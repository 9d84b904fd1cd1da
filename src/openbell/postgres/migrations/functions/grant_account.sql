-- Grants more of an account, or takes a part of what was granted back; `free` and `extra` say how much of that can be. With more
-- to spend nobody is kept waiting any longer: the account's pause ends, and jobs that were refused by it (the reason
-- has p_name in it, see Spends) are woken. Answers 'granted', or why not: 'missing', 'turned' (its period has ended), 'too_much'.
create or replace function openbell.grant_account(p_account bigint, p_amount bigint, p_reason text, p_actor text, p_most bigint, p_name text)
returns table (word text, granted bigint, extra bigint, free bigint, woken integer)
language plpgsql as $$
#variable_conflict use_column
declare
    a openbell.account;
    v_limit bigint;
    v_free bigint;
    v_woken integer := 0;
begin
    perform 1 from openbell.account t where t.id = p_account for no key update;
    perform openbell.age_out(array[p_account], openbell.now());
    select * into a from openbell.account t where t.id = p_account;
    if not found then
        return query select 'missing', null::bigint, null::bigint, null::bigint, 0;
        return;
    end if;
    v_limit := least(a.granted, a.lowered_to);
    v_free := greatest(v_limit - a.held - a.spent - a.overrun, 0);
    if a.ends_at <= openbell.now() or -p_amount > least(v_free, a.extra) or v_limit + p_amount > p_most then
        return query select case when a.ends_at <= openbell.now() then 'turned' else 'too_much' end, v_limit, a.extra, v_free, 0;
        return;
    end if;

    v_limit := v_limit + p_amount;
    update openbell.account t
    set extra = a.extra + p_amount, granted = greatest(v_limit, a.held + a.spent),
        lowered_to = case when v_limit < a.held + a.spent then v_limit end,
        blocked_until = case when p_amount < 0 then a.blocked_until end, blocked_reason = case when p_amount < 0 then a.blocked_reason end
    where t.id = p_account;
    insert into openbell.account_grant (account_id, amount, actor, reason) values (p_account, p_amount, p_actor, p_reason);
    insert into openbell.audit (actor, action, target, before, after)
    values (p_actor, 'account.grant', a.subject || ' ' || a.resource || ' ' || a.period,
        jsonb_build_object('granted', v_limit - p_amount, 'extra', a.extra),
        jsonb_build_object('granted', v_limit, 'extra', a.extra + p_amount, 'amount', p_amount, 'reason', p_reason));
    if p_amount > 0 then
        update openbell.job t set parked_until = null, reason = null
        where t.id in (
            select j.id from openbell.job j
            where j.parked_until is not null and j.token is null and position(p_name in j.reason) > 0
                and not exists (select 1 from openbell.need n where n.job_id = j.id)
            for update skip locked);
        get diagnostics v_woken = row_count;
    end if;
    return query select 'granted', v_limit, a.extra + p_amount, greatest(v_limit - a.held - a.spent - a.overrun, 0), v_woken;
end $$;
