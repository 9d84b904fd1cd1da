-- After hours have changed: what was to rest longer than they allow now is looked at earlier, what is overdue at once.
-- As openbell.fresh_until judges each value, but for all of a calendar from what is the same for all of them.
with hours as materialized (
    select t.now, h.opens_at, h.closes_at, h.closes_at + openbell.after_close() as final_at, h.next_at + l.early as next_at, l.early
    from (select openbell.now() as now) t, (select openbell.lead(interval '1 day') as early) l, openbell.hours_at($1, t.now) h
), judged as (
    select b.product, b.key, u.usual, case
        when h.closes_at is null or u.usual <= h.closes_at or b.checked_at < h.opens_at then h.now
        when b.checked_at < h.final_at - h.early then least(h.final_at, h.next_at)
        else coalesce(h.next_at, h.now)
    end as until
    from hours h
    join openbell.artifact b on b.calendar = $1 and b.fresh_until > h.now
    join openbell.product p on p.name = b.product
    cross join lateral (select b.checked_at + p.ttl as usual) u
)
update openbell.artifact a
set fresh_until = greatest(j.usual, j.until)
from judged j
where a.product = j.product and a.key = j.key and a.fresh_until > greatest(j.usual, j.until)
