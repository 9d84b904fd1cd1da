insert into openbell.suppression (hash, domain, reason, detail, at) values ($1, $2, $3, $4, (select openbell.now()))
on conflict (hash) do nothing
