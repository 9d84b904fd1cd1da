-- Jobs that the database thinks this worker runs and that it does not: the answer to a claim or an ending was lost.
select j.id, j.token from openbell.job j
where j.worker = $1 and j.started_at < openbell.now() - interval '5 seconds'
    and not exists (select 1 from unnest($2::bigint[], $3::bigint[]) as u (id, token) where u.id = j.id and u.token = j.token)
