-- Row n of the arrays is one job. A key that waits already is lifted, never lowered; one that runs is left alone.
-- What is queued for a later time has not begun to wait before it.
insert into openbell.job as j (product, key, args, bundled, job_class, number, max_attempts, batch, parked_until, queued_at)
select $1, u.key, u.args, p.bundle > 1, $4, $5, p.max_attempts, $6, $7, greatest((select openbell.now()), nullif($7::timestamptz, 'infinity'))
from openbell.product p, unnest($2::text[], $3::jsonb[]) as u (key, args)
where p.name = $1
on conflict (product, key) do update
set number = greatest(j.number, excluded.number), job_class = least(j.job_class, excluded.job_class)
where j.token is null and (j.number < excluded.number or j.job_class > excluded.job_class)
returning j.id, j.key, j.xmax = 0 as created
