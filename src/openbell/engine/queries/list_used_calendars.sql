-- The calendars that stored values keep to, by name: from one to the next in their index, not through all values.
with recursive used as (
    (select a.calendar from openbell.artifact a where a.calendar is not null order by a.calendar limit 1)
    union all
    select (select a.calendar from openbell.artifact a where a.calendar > u.calendar order by a.calendar limit 1)
    from used u where u.calendar is not null
)
select u.calendar from used u where u.calendar is not null order by u.calendar
