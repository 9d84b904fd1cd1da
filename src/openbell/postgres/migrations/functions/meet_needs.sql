-- Wakes the parked jobs that waited for this artifact and for nothing else any more.
create or replace function openbell.meet_needs(p_product text, p_key text) returns void
language plpgsql as $$
begin
    with met as (
        delete from openbell.need n where n.product = p_product and n.key = p_key returning n.job_id
    )
    update openbell.job j set parked_until = null, reason = null
    from met
    where j.id = met.job_id and j.token is null
        and not exists (select 1 from openbell.need n where n.job_id = met.job_id and (n.product, n.key) <> (p_product, p_key));
end $$;
