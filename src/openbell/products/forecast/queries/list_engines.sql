select distinct engine from openbell.forecast_run where scored_at is not null order by engine
