-- What the alert rules are to find until the next evaluation: a list of {about, message, figure}, empty when all is well.
insert into openbell.meta as m (key, value) values ('forecast_drift', $1::jsonb)
on conflict (key) do update set value = excluded.value
