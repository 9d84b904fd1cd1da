-- Many jobs of which some may wait already: those are lifted, never lowered. Answers how many are new.
-- What is queued for a later time has not begun to wait before it.
with added as (
    insert into openbell.job as j (product, key, args, bundled, job_class, number, max_attempts, batch, parked_until, queued_at)
    select $1, u.key, u.args, p.bundle > 1, $4, $5, p.max_attempts, $6, $7, greatest((select openbell.now()), nullif($7::timestamptz, 'infinity'))
    from openbell.product p, (
        select distinct on (t.key) t.key, t.args from unnest($2::text[], $3::jsonb[]) as t (key, args) order by t.key
    ) u
    where p.name = $1
    on conflict (product, key) do update
    set number = greatest(j.number, excluded.number), job_class = least(j.job_class, excluded.job_class)
    where j.token is null and (j.number < excluded.number or j.job_class > excluded.job_class)
    returning j.xmax = 0 as created
)
select count(*) filter (where created) from added
