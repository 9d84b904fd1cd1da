-- Many small tasks at once. The search begins behind the place ($5, $6, $7) that the last claim has reached, so that it
-- need not pass again what was there; from time to time it begins at the start. Rows are found again by their place on
-- the page: between the lock and the change nobody can move them. Losing a claim in a crash loses nothing.
with claim as materialized (
    select openbell.new_token() as token, openbell.now() as t, set_config('synchronous_commit', 'off', true)
), picked as (
    select j.ctid as place
    from openbell.job j
    where j.bundled and j.parked_until is null and j.token is null
        and (j.job_class, -j.number, j.id) > ($5::smallint, $6::smallint, $7::bigint)
        and array_position($2::smallint[], j.job_class) is not null and j.product = any ($1::text[])
    order by j.job_class, (-j.number), j.id
    limit $4 for update skip locked
)
update openbell.job j
set attempt = j.attempt + 1, worker = $3, token = claim.token, started_at = claim.t
from claim
where j.ctid = any (array(select place from picked))
returning j.id, j.product, j.key, j.token, j.attempt, j.max_attempts, j.job_class, -j.number as rank, j.queued_at, claim.t as now, j.args
