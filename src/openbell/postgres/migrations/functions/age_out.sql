-- Takes off the sums what is due: aged out of a sliding window, given back, or charged. The caller holds the locks.
create or replace function openbell.age_out(p_accounts bigint[], p_now timestamptz) returns void
language plpgsql as $$
begin
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
    where a.id = s.account_id;
end $$;
