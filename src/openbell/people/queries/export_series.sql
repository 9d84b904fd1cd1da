select u.name, u.points, u.changed_at from openbell.forecast_upload u where u.person_id = $1 order by u.name
