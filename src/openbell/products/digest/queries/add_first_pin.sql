insert into openbell.digest_pin (ticker, edition, day, revision, reason) values ($1, $2, $3, 1, 'first')
on conflict do nothing
