-- An operator says what became of a call whose outcome is unknown. Happened: what is held for it is charged with p_cost, or with
-- what was held where that is null. Never happened: it is given back, and unless another call of the same job is still in doubt,
-- the key may be queued again at once. Exactly once: whoever comes second finds it ended. Answers 'resolved', or why not:
--   missing     there is no such spend
--   unpaid      a cost is told of a call that held no money
--   charged     it was answered and charged before, and only what became of it later is unknown: it did happen, at that cost
--   settled …   its state, which is not unknown
-- A call with an idempotency key cannot be made meanwhile: making one takes the same lock.
create or replace function openbell.resolve_spend(p_spend bigint, p_happened boolean, p_cost bigint, p_reason text, p_actor text)
returns text
language plpgsql as $$
declare
    s openbell.spend;
begin
    perform pg_advisory_xact_lock(hashtextextended(t.provider || ':' || t.idempotency_key, 0))
    from openbell.spend t where t.id = p_spend and t.idempotency_key is not null;
    select * into s from openbell.spend t where t.id = p_spend for update;
    if not found then
        return 'missing';
    elsif s.state <> 'unknown' then
        return s.state;
    elsif p_cost is not null and not s.held ? 'usd_micro' then
        return 'unpaid';
    elsif s.charged and (p_cost is not null or not p_happened) then
        return 'charged';
    end if;

    update openbell.spend t set state = 'sent', ended_at = null where t.id = p_spend;
    perform openbell.settle(jsonb_build_array(jsonb_build_object(
        'id', p_spend, 'state', case when p_happened then 'settled' else 'released' end,
        'outcome', case when p_happened then 'it happened' else 'it never happened' end || ', says ' || p_actor || ': ' || p_reason,
        'took', coalesce(s.took, '{}') || case when p_cost is null then '{}' else jsonb_build_object('usd_micro', p_cost) end)));

    if not p_happened then
        delete from openbell.cooldown c
        where c.product = s.product and c.key = s.key and c.job_id = s.job_id
            and not exists (select 1 from openbell.spend o where o.job_id = s.job_id and o.state = 'unknown' and o.effect <> 'repeat');
    end if;
    update openbell.job_history h
    set cost_micro = (select coalesce(sum(o.cost_micro), 0) from openbell.spend o where o.job_id = s.job_id)
    where h.id = s.job_id;
    insert into openbell.audit (actor, action, target, before, after)
    select p_actor, 'spend.resolve', p_spend::text, jsonb_build_object('state', s.state, 'outcome', s.outcome, 'cost_micro', s.cost_micro),
        jsonb_build_object('state', t.state, 'cost_micro', t.cost_micro, 'reason', p_reason) from openbell.spend t where t.id = p_spend;
    return 'resolved';
end $$;
