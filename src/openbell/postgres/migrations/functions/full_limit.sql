-- The scope of a limit that leaves no room for one more job of this product and class, null where there is room. Each other
-- class that has work waiting keeps the floor that it still needs.
create or replace function openbell.full_limit(p_product text, p_class smallint) returns text
language sql stable as $$
    with taken as materialized (
        select s.product, s.job_class, count(*) as n from openbell.seat s group by s.product, s.job_class
    )
    select l.scope from openbell.seat_limit l
    where case l.scope
        when 'total' then (select coalesce(sum(n), 0) from taken) + coalesce((
            select sum(greatest(f.least - (select coalesce(sum(t.n), 0) from taken t where t.job_class = f.name::smallint), 0))
            from openbell.seat_limit f
            where f.scope = 'class' and f.least > 0 and f.name::smallint <> p_class
                and exists (select 1 from openbell.job j
                    where j.job_class = f.name::smallint and j.parked_until is null and j.token is null)), 0) >= l.most
        when 'class' then l.name = p_class::text and (select coalesce(sum(t.n), 0) from taken t where t.job_class = p_class) >= l.most
        else l.name = p_product and (select coalesce(sum(t.n), 0) from taken t where t.product = p_product) >= l.most
    end
    order by l.scope = 'product' desc limit 1
$$;
