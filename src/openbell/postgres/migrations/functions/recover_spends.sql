-- Ends spends that no attempt will end any more: the call had its time, and the job is not running under that token. What the
-- provider works on belongs to its job until that ends. In the order of the index of what is open: by id it read every spend.
create or replace function openbell.recover_spends(p_grace interval) returns integer
language plpgsql as $$
declare
    v_now timestamptz := openbell.now();
    v_lost jsonb;
begin
    select coalesce(jsonb_agg(openbell.lost_call(l.lost, 'nobody ended it')), '[]') into v_lost from (
        select s as lost from openbell.spend s
        where s.ended_at is null and s.tried_at < v_now - p_grace and s.tried_at + s.timeout + p_grace < v_now
            and not exists (
                select 1 from openbell.job j where j.id = s.job_id and (j.token = s.token or s.token is null and s.provider_ref is not null))
        order by s.tried_at limit 500 for update of s skip locked
    ) l;
    perform openbell.settle(v_lost);
    return jsonb_array_length(v_lost);
end $$;
