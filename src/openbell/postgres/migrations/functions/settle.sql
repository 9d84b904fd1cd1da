-- Ends spends: [{"id": 1, "state": "settled", "outcome": "ok", "took": {"bytes": 812}, "ref": null, "trouble": null}, …]
--   settled     the call has happened
--   unanswered  settled, but the request may be on its way until its time-out
--   released    it is proven that it has not happened
--   refused     released, but the provider was asked: the call itself counts
--   under_way   the provider works on it and has a name for it: money stays held, and the spend open
--   unknown     it may have happened: it counts as spent, and money stays held until somebody knows
-- A spend that has ended already is left as it is, and one that another attempt has taken over since: rows name their token.
-- An account takes what the call took of its resource; where that is not told, what was held. Only a call that took more than
-- was held touches the account itself. It is planned once, for primary keys: planned for tables that were small, it read
-- every open spend (5 ms instead of 0.3).
create or replace function openbell.settle(p_ended jsonb) returns void
language plpgsql set plan_cache_mode = force_generic_plan
    set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off set enable_mergejoin = off as $$
declare
    v_now timestamptz := openbell.now();
    v_ids bigint[] := array(select u.id from jsonb_to_recordset(p_ended) as u (id bigint));
begin
    if p_ended = '[]' then
        return;
    end if;

    -- In the order in which a reservation takes them: breakers, then accounts.
    perform 1 from openbell.breaker b
    where b.probe = any (v_ids) order by b.provider, b.operation for update;

    with told as (
        select u.* from jsonb_to_recordset(p_ended) as u (id bigint, token bigint, state text, outcome text, took jsonb, ref text)
    ), ended as (
        update openbell.spend s
        set state = case when s.charged and u.state = 'unknown' then 'settled' else case u.state when 'unanswered' then 'settled' when 'refused' then 'released' when 'under_way' then 'sent' else u.state end end::openbell.spend_state,
            outcome = u.outcome, ended_at = case when u.state <> 'under_way' then v_now end, token = case when u.state <> 'under_way' then s.token end,
            took = coalesce(s.took, '{}') || case when u.state = 'refused' then jsonb_build_object('calls', s.held -> 'calls') else '{}' end
                || case when s.charged then coalesce(u.took, '{}') - array['usd_micro', 'credits'] else coalesce(u.took, '{}') end,
            cost_micro = case when s.charged then s.cost_micro
                when u.state in ('released', 'refused') then 0
                else coalesce(u.took ->> 'usd_micro', s.held ->> 'usd_micro', '0')::bigint end,
            charged = s.charged or u.state in ('settled', 'unanswered'),
            provider_ref = coalesce(u.ref, s.provider_ref)
        from told u
        where s.id = u.id and s.id = any (v_ids) and s.state in ('intended', 'sent') and (u.token is null or s.token is not distinct from u.token)
        returning s.id, u.state, u.took,
            greatest(v_now, case when u.state in ('unknown', 'unanswered') then s.tried_at + s.timeout end) as at
    ), closed as (
        delete from openbell.hold h using ended e, openbell.account a
        where h.spend_id = e.id and a.id = h.account_id and not (e.state in ('unknown', 'under_way') and a.closes = 'charge')
        returning h.account_id, h.amount as held, a.closes,
            case when e.state = 'released' or a.closes = 'release' or e.state = 'refused' and a.closes = 'charge' then 0
                 when e.state = 'unknown' then h.amount
                 else coalesce((e.took ->> a.resource)::bigint, h.amount) end as taken,
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
    ), over as (
        select c.account_id, sum(c.taken - c.held) as excess from closed c where c.taken > c.held group by c.account_id
    ), locked as materialized (
        select a.id from openbell.account a where a.id in (select o.account_id from over o) order by a.id for no key update
    )
    update openbell.account a set overrun = a.overrun + o.excess
    from over o join locked on locked.id = o.account_id
    where a.id = o.account_id;

    perform openbell.judge_providers(p_ended, v_now);
end $$;
