-- Waiting jobs that have waited longer than their class allows move up one class, the oldest first. $1 the classes, $2 how
-- long a class may wait, $3 how many at most. In the order of their numbers, so that it need not sort all that waits.
with clock as materialized (
    select openbell.now() as t
), old as (
    select j.id, (select max(c) from unnest($1::smallint[]) as c where c < j.job_class) as job_class
    from clock, openbell.job j
    where j.parked_until is null and j.token is null
        and j.job_class > (select min(c) from unnest($1::smallint[]) as c)
        and j.queued_at <= clock.t - (j.aged + 1) * $2::interval
    order by j.id limit $3 for update of j skip locked
)
update openbell.job j set job_class = old.job_class, aged = j.aged + 1
from old where j.id = old.id
returning j.id, j.product, j.key, j.job_class
