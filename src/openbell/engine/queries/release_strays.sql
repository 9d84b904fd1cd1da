-- Hands back jobs that the database thinks this worker runs and that it does not: the answer to a claim or an ending was lost.
select j.id, j.product, j.key, e.state
from openbell.job j
cross join lateral openbell.abandon(j.id, j.token, 'release', 'stray', 'its worker does not know of it', interval '1 minute') e
where j.worker = $1 and j.started_at < openbell.now() - interval '5 seconds'
    and not exists (select 1 from unnest($2::bigint[], $3::bigint[]) as u (id, token) where u.id = j.id and u.token = j.token)
