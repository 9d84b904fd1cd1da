select count(*) from openbell.forecast_upload where person_id = $1 and name = any ($2::text[])
