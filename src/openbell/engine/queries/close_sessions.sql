-- Close a day of a calendar, the whole of it or from $3 on; what is left of it, earliest first.
with changed as (
    update openbell.session s
    set closes_at = least(greatest(coalesce($3, s.opens_at), s.opens_at), s.planned_closes_at)
    where s.calendar = $1 and s.day = $2
    returning s.opens_at, s.closes_at
)
select opens_at, closes_at from changed order by opens_at
