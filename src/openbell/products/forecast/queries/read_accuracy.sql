-- How good published forecasts of a step were: means over scored runs, with their number. No runs, no row.
select count(*) as runs, sum(s.points) as points,
    sum(s.mae * s.points) / sum(s.points) as mae, sum(s.naive_mae * s.points) / sum(s.points) as naive_mae,
    sum(s.inside80)::float8 / sum(s.points) as inside80, sum(s.inside95)::float8 / sum(s.points) as inside95,
    (select count(*) from openbell.forecast_score w join openbell.forecast_run o on o.id = w.run_id
        where w.winner is not null and o.step = $1 and o.engine = $2) as picks,
    (select avg(w.winner::integer)::float8 from openbell.forecast_score w join openbell.forecast_run o on o.id = w.run_id
        where w.winner is not null and o.step = $1 and o.engine = $2) as winners
from openbell.forecast_score s join openbell.forecast_run r on r.id = s.run_id
where s.term < 2 and r.step = $1 and r.engine = $2 and ($3::text is null or r.pair = $3)
having count(*) > 0
