-- The last session of a calendar that has begun by p_at, and when the next one begins. One row, also when nothing is known.
create or replace function openbell.hours_at(p_calendar text, p_at timestamptz)
returns table (opens_at timestamptz, closes_at timestamptz, next_at timestamptz)
language sql stable parallel safe as $$
    select l.opens_at, l.closes_at, n.opens_at
    from (select 1) always
    left join lateral (
        select s.opens_at, s.closes_at from openbell.session s
        where s.calendar = p_calendar and s.opens_at <= p_at and s.closes_at > s.opens_at
        order by s.opens_at desc limit 1
    ) l on true
    left join lateral (
        select s.opens_at from openbell.session s
        where s.calendar = p_calendar and s.opens_at > p_at and s.closes_at > s.opens_at
        order by s.opens_at limit 1
    ) n on true
$$;
