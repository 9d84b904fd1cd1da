select term, day, mean, lo80, hi80, lo95, hi95 from openbell.forecast_point where run_id = $1 order by term, day
