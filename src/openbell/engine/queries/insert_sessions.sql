-- Sessions as they were computed, but for days that an operator has changed.
insert into openbell.session (calendar, day, opens_at, closes_at, planned_closes_at)
select $1, u.day, u.opens_at, u.closes_at, u.closes_at
from unnest($2::date[], $3::timestamptz[], $4::timestamptz[]) as u (day, opens_at, closes_at)
where not exists (select 1 from openbell.session m where m.calendar = $1 and m.day = u.day and m.source = 'manual')
