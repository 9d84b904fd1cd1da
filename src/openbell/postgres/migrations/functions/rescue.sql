-- Takes running jobs from workers whose lease has expired. An attempt is used; where a call that must not be repeated may
-- have happened, the job has failed. It reads the whole live table: a lost process is rare.
create or replace function openbell.rescue(p_limit integer)
returns table (job_id bigint, product text, key text, worker bigint, state text)
language plpgsql as $$
declare
    r record;
    v_state text;
begin
    for r in
        select j.id, j.token, j.product, j.key, j.worker, p.retry_ttl
        from openbell.job j
        left join openbell.product p on p.name = j.product
        where j.token is not null
            and not exists (select 1 from openbell.worker w where w.id = j.worker and w.expires_at > openbell.now())
        order by j.id limit p_limit for update of j skip locked
    loop
        select e.state into v_state from openbell.abandon(
            r.id, r.token, 'retry', 'process_gone', 'the worker stopped answering', coalesce(r.retry_ttl, interval '1 minute')) e;
        return query select r.id, r.product, r.key, r.worker, v_state;
    end loop;
end $$;
