-- Ends jobs that have waited longer than their product has patience.
create or replace function openbell.expire_jobs(p_limit integer) returns table (job_id bigint, product text, key text)
language plpgsql as $$
declare
    r record;
    v_now timestamptz := openbell.now();
    v_before timestamptz := v_now - (select min(p.patience) from openbell.product p);
    v_message text;
begin
    for r in
        select j as job, p.patience, p.retry_ttl
        from openbell.job j
        join openbell.product p on p.name = j.product
        where j.token is null and j.queued_at <= v_before and j.queued_at <= v_now - p.patience
        order by j.id limit p_limit for update of j skip locked
    loop
        v_message := 'given up after waiting for ' || r.patience || coalesce(': ' || (r.job).reason, '');
        insert into openbell.cooldown as c (product, key, code, message, at, retry_at, job_id)
        values ((r.job).product, (r.job).key, 'expired', v_message, v_now, v_now + r.retry_ttl, (r.job).id)
        on conflict on constraint cooldown_pkey do update
        set code = excluded.code, message = excluded.message, at = excluded.at, retry_at = excluded.retry_at,
            job_id = excluded.job_id, failures = c.failures + 1;
        perform openbell.finish(r.job, 'expired', null, 'expired', v_message);
        return query select (r.job).id, (r.job).product, (r.job).key;
    end loop;
end $$;
