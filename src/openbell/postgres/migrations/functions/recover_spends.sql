-- Ends spends that no attempt will end any more: the call had its time, and the job is not running under that token.
create or replace function openbell.recover_spends(p_grace interval) returns integer
language plpgsql as $$
declare
    v_lost bigint[];
begin
    select coalesce(array_agg(s.id), '{}') into v_lost from (
        select t.id from openbell.spend t
        where t.ended_at is null and t.intended_at + t.timeout + p_grace < openbell.now()
            and not exists (select 1 from openbell.job j where j.id = t.job_id and j.token = t.token)
        order by t.id limit 500
    ) s;
    perform openbell.settle(v_lost,
        array_fill('unknown'::text, array[cardinality(v_lost)]), array_fill('nobody ended it'::text, array[cardinality(v_lost)]),
        array_fill(null::bigint, array[cardinality(v_lost)]), array_fill(null::bigint, array[cardinality(v_lost)]),
        array_fill(null::text, array[cardinality(v_lost)]));
    return cardinality(v_lost);
end $$;
