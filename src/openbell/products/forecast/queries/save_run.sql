-- One run a key, whoever makes it; its points come with it. A second time nothing changes.
with run as (
    insert into openbell.forecast_run (key, pair, engine, challenger, step, first_day, last_day, scale, leader)
    values ($1, $2, $3, $4, $5, $6, $7, $8, $9)
    on conflict (key) do nothing
    returning id
)
insert into openbell.forecast_point (run_id, term, day, mean, lo80, hi80, lo95, hi95)
select run.id, p.term, p.day, p.mean, p.lo80, p.hi80, p.lo95, p.hi95
from run, unnest($10::smallint[], $11::date[], $12::float8[], $13::float8[], $14::float8[], $15::float8[], $16::float8[])
    as p (term, day, mean, lo80, hi80, lo95, hi95)
