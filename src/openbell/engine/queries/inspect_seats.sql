-- The limits on what runs at once that concern a product ($1) and class ($2): what is taken, and of the total what others keep
-- because their floor is not reached and they have work waiting.
with taken as materialized (
    select s.product, s.job_class, count(*) as n from openbell.seat s group by s.product, s.job_class
)
select l.scope, l.name, l.most, l.least,
    (select coalesce(sum(t.n), 0)::bigint from taken t
        where l.scope = 'total' or (l.scope = 'class' and t.job_class = $2::smallint) or (l.scope = 'product' and t.product = $1)) as taken,
    case when l.scope = 'total' then coalesce((
        select sum(greatest(f.least - (select coalesce(sum(t.n), 0) from taken t where t.job_class = f.name::smallint), 0))
        from openbell.seat_limit f
        where f.scope = 'class' and f.least > 0 and f.name <> $2::smallint::text
            and exists (select 1 from openbell.job j
                where j.job_class = f.name::smallint and j.parked_until is null and j.token is null)), 0) else 0 end::bigint as kept
from openbell.seat_limit l
where l.scope = 'total' or (l.scope = 'class' and l.name = $2::smallint::text) or (l.scope = 'product' and l.name = $1)
order by l.scope = 'product', l.scope = 'class'
