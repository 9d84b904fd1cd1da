-- A worker that leaves in order is forgotten. One that still seems to hold a job ends its lease instead, so that the job is
-- taken back at once.
with held as materialized (
    select exists (select 1 from openbell.job j where j.worker = $1) as some
), left_behind as (
    update openbell.worker w set expires_at = openbell.now() from held where w.id = $1 and held.some
)
delete from openbell.worker w using held where w.id = $1 and not held.some
