-- How often somebody has asked in this minute, this time included; what is older than an hour is cleared on the way.
with old as (
    delete from openbell.forecast_knock where minute < (select openbell.now()) - interval '1 hour'
)
insert into openbell.forecast_knock as k (who, minute, knocks)
values ($1, date_trunc('minute', (select openbell.now())), 1)
on conflict (who, minute) do update set knocks = k.knocks + 1
returning k.knocks
