insert into openbell.digest_edition (ticker, edition, day, due_at, send_at)
select u.ticker, $2, $3, $4, $5 from unnest($1::text[]) u (ticker)
order by u.ticker
on conflict (ticker, edition, day) do nothing
