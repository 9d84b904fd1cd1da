-- What would be claimed before the place ($1 class, $2 number, $3 id), and what runs, by worker. Of the order of claiming the
-- first $4 rows are looked at; running jobs stand among them. What no claim may take at the moment is ahead of nobody. The queue
-- is full at $5 jobs.
with open_product as materialized (
    select p.name from openbell.product p
    where p.enabled
        and not exists (select 1 from openbell.account a where a.subject = p.provider and a.blocked_until > openbell.now()
            and not openbell.has_open_key(p.provider, openbell.now()))
        and not exists (select 1 from openbell.breaker b where b.provider = p.provider and b.operation = '' and b.open_until > openbell.now())
), front as materialized (
    select j.id, j.product, j.job_class, -j.number as rank, j.worker
    from openbell.job j
    where j.parked_until is null
    order by j.job_class, (-j.number), j.id limit $4
), ahead as (
    select f.job_class, f.rank from front f
    where f.worker is null and f.product in (select name from open_product)
        and (f.job_class, f.rank, f.id) < ($1::smallint, -$2::smallint, $3::bigint)
)
select count(*) filter (where a.job_class < $1) as by_class,
    count(*) filter (where a.job_class = $1 and a.rank < -$2::smallint) as by_number,
    count(*) filter (where a.job_class = $1 and a.rank = -$2::smallint) as by_age,
    (select count(*) from front) >= $4 as capped,
    (select count(*) from (select 1 from openbell.job limit $5) live) >= $5 as is_full,
    coalesce((
        select jsonb_object_agg(r.worker, r.n)
        from (select f.worker, count(*) as n from front f where f.worker is not null group by f.worker) r
    ), '{}') as running
from ahead a
