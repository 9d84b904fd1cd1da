-- Ends spends. Row n of the arrays: settled (it took this much), unanswered (settled; but the request may be on its way until
-- its time-out), released (proven not to have happened) or unknown.
-- A spend that has ended already is left as it is. What an account measures decides what a call took of it:
-- 'bytes' the bytes, 'usd_micro' the cost, anything else what was held; what is not known is what was held.
-- Only a call that took more than was held touches the account itself.
create or replace function openbell.settle(
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
