-- When p_need more will have aged out; a second from now where calls in flight decide it.
create or replace function openbell.room_at(p_account bigint, p_need bigint, p_now timestamptz) returns timestamptz
language sql stable as $$
    select coalesce((
        select s.frees_at from (
            select g.frees_at, sum(g.amount + g.excess) over (order by g.frees_at) as freed
            from openbell.aging g where g.account_id = p_account
        ) s
        where s.freed >= p_need order by s.frees_at limit 1
    ), p_now + interval '1 second')
$$;
