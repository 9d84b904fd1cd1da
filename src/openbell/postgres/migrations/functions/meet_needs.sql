-- Wakes the parked jobs that waited for this artifact and for nothing else any more. The jobs are locked first, in one
-- order: two artifacts that are published at once would else each see the other's need, and nobody would wake the job.
create or replace function openbell.meet_needs(p_product text, p_key text) returns void
language plpgsql as $$
begin
    if not exists (select 1 from openbell.need n where n.product = p_product and n.key = p_key) then
        return;
    end if;
    perform 1 from openbell.job j
    where j.id in (select n.job_id from openbell.need n where n.product = p_product and n.key = p_key)
    order by j.id for update;
    with met as (
        delete from openbell.need n where n.product = p_product and n.key = p_key returning n.job_id
    )
    update openbell.job j set parked_until = null, reason = null
    from met
    where j.id = met.job_id and j.token is null
        and not exists (select 1 from openbell.need n where n.job_id = met.job_id and (n.product, n.key) <> (p_product, p_key));
end $$;
