-- Runs whose horizon is over and that nobody has scored yet, oldest first.
select id, key, pair, step, first_day, last_day, scale, leader
from openbell.forecast_run
where scored_at is null and last_day < $1::date
order by last_day, id limit $2
