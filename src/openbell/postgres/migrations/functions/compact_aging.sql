-- Makes one row of the many that age out of an account at the same moment; long windows have one such moment a grain.
create or replace function openbell.compact_aging() returns void
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
