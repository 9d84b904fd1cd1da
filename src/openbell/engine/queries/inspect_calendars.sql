-- Each calendar that is known: how far it reaches, what operators have changed of what is to come, and how it stands now.
select c.calendar, c.first_day, c.last_day, c.ends_at, c.days, c.manual, h.closes_at > c.now as is_open, h.closes_at, h.next_at, c.now
from (
    select s.calendar, min(s.day) as first_day, max(s.day) as last_day, max(s.closes_at) as ends_at, count(distinct s.day) as days,
        coalesce(array_agg(distinct s.day) filter (where s.source = 'manual' and s.planned_closes_at > n.now), '{}') as manual, n.now
    from openbell.session s, (select openbell.now() as now) n
    group by s.calendar, n.now
) c
left join lateral openbell.hours_at(c.calendar, c.now) h on true
order by c.calendar
