-- What the ends of calls mean for breakers. A probe without trouble closes its breaker, one with trouble opens it for twice
-- as long, ten minutes at most. Without a breaker, five calls of a minute with trouble, if they are half of all or more, open one.
create or replace function openbell.judge_providers(p_ended jsonb, p_now timestamptz) returns void
language plpgsql set enable_bitmapscan = on as $$
declare
    r record;
begin
    if exists (select 1 from openbell.breaker) then
        with probed as (
            select b.provider, b.operation, u.state, u.trouble
            from jsonb_to_recordset(p_ended) as u (id bigint, state text, trouble text) join openbell.breaker b on b.probe = u.id
        ), again as (
            update openbell.breaker b
            set probe = null, openings = b.openings + (p.trouble is not null)::integer,
                open_until = case when p.trouble is null then p_now else p_now + least(interval '30 seconds' * 2 ^ least(b.openings, 10), interval '10 minutes') end
            from probed p
            where b.provider = p.provider and b.operation = p.operation and (p.trouble is not null or p.state <> 'settled')
        )
        delete from openbell.breaker b using probed p
        where b.provider = p.provider and b.operation = p.operation and p.trouble is null and p.state = 'settled';
    end if;

    if not p_ended @? '$[*].trouble ? (@ != null)' then
        return;
    end if;
    for r in
        with added as (
            insert into openbell.trouble (at, provider, code)
            select p_now, s.provider, u.trouble
            from jsonb_to_recordset(p_ended) as u (id bigint, trouble text) join openbell.spend s on s.id = u.id
            where u.trouble is not null
            returning provider, code
        )
        select a.provider, max(a.code) as code, count(*) as more from added a group by a.provider
    loop
        insert into openbell.breaker (provider, operation, opened_at, open_until, code, reason)
        select r.provider, '', p_now, p_now + interval '30 seconds', r.code, format('%s of the last %s calls failed or were slow', w.troubled, w.calls)
        from (
            select r.more + (select count(*) from openbell.trouble t where t.provider = r.provider and t.at > p_now - interval '1 minute' and t.at < p_now) as troubled,
                (select count(*) from openbell.spend s where s.provider = r.provider and s.ended_at is null and s.tried_at > p_now - interval '1 minute')
                + (select count(*) from openbell.spend s where s.provider = r.provider and s.ended_at > p_now - interval '1 minute' and s.tried_at > p_now - interval '1 minute') as calls
        ) w
        where w.troubled >= 5 and w.troubled * 2 >= w.calls
        on conflict (provider, operation) do nothing;
    end loop;
end $$;
