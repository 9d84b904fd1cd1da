-- Actuals, scores and the mark in one statement; a run that is scored already stays as it is.
with mine as (
    update openbell.forecast_run set scored_at = (select openbell.now()) where id = $1 and scored_at is null returning id
), filled as (
    update openbell.forecast_point p set actual = a.actual
    from mine, unnest($2::smallint[], $3::date[], $4::float8[]) as a (term, day, actual)
    where p.run_id = mine.id and p.term = a.term and p.day = a.day
)
insert into openbell.forecast_score (run_id, term, points, mae, naive_mae, inside80, inside95, winner)
select mine.id, s.term, s.points, s.mae, s.naive_mae, s.inside80, s.inside95, s.winner
from mine, unnest($5::smallint[], $6::integer[], $7::float8[], $8::float8[], $9::integer[], $10::integer[], $11::boolean[])
    as s (term, points, mae, naive_mae, inside80, inside95, winner)
