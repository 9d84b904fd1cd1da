-- When p_need more will be there: as use ages out of a sliding window, at the end of a period, a second from now where
-- calls in flight decide it, an hour from now where only a grant can make room.
create or replace function openbell.room_at(p_account bigint, p_need bigint, p_now timestamptz) returns timestamptz
language sql stable as $$
    select coalesce(
        (select s.frees_at from (
            select g.frees_at, sum(g.amount - g.charged + g.excess) over (order by g.frees_at) as freed
            from openbell.aging g where g.account_id = p_account
        ) s where s.freed >= p_need order by s.frees_at limit 1),
        (select case when a.closes = 'charge' then coalesce(a.ends_at, p_now + interval '1 hour') else p_now + interval '1 second' end from openbell.account a where a.id = p_account))
$$;
