insert into openbell.letter (hash, subject, html, body, images) values ($1, $2, $3, $4, $5) on conflict (hash) do nothing
