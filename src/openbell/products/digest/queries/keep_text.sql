insert into openbell.digest_text (ref, body) values ($1, $2)
on conflict (ref) do nothing
