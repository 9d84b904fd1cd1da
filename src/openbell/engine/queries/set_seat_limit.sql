insert into openbell.seat_limit (scope, name, most, least) values ($1, $2, $3, $4)
on conflict (scope, name) do update set most = excluded.most, least = excluded.least
