-- Many jobs whose keys are expected to be new; a key that waits already refuses them all.
-- What is queued for a later time has not begun to wait before it.
insert into openbell.job (product, key, args, bundled, job_class, number, max_attempts, batch, parked_until, queued_at)
select $1, u.key, u.args, p.bundle > 1, $4, $5, p.max_attempts, $6, $7, greatest((select openbell.now()), nullif($7::timestamptz, 'infinity'))
from openbell.product p, unnest($2::text[], $3::jsonb[]) as u (key, args)
where p.name = $1
