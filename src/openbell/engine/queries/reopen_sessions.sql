-- A day of a calendar is as it was computed again; its hours, earliest first.
with changed as (
    update openbell.session s set closes_at = s.planned_closes_at
    where s.calendar = $1 and s.day = $2
    returning s.opens_at, s.closes_at
)
select opens_at, closes_at from changed order by opens_at
