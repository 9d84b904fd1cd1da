insert into openbell.digest_ticker (ticker, name, cik, aliases, industry, source, imported_at)
values ($1, $2, $3, $4, $5, $6, (select openbell.now()))
on conflict (ticker) do update
set name = excluded.name, cik = excluded.cik, aliases = excluded.aliases, industry = excluded.industry,
    source = excluded.source, imported_at = excluded.imported_at
