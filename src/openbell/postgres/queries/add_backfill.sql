insert into openbell.backfill (name, batch, rate) values ($1, $2, $3) on conflict (name) do nothing
