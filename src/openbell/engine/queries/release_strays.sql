-- Jobs that the database thinks this worker runs and that it does not: the answer to a claim or an ending was lost.
select j.id, j.token from openbell.job j
where j.worker = $1 and not j.id = any ($2::bigint[]) and j.started_at < openbell.now() - interval '5 seconds'
