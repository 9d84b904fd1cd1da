select points from openbell.forecast_upload where name = $1
