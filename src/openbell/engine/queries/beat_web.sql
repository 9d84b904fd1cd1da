insert into openbell.web_process (name, knows, expires_at) values ($1, $2, openbell.now() + $3::interval)
on conflict (name) do update set knows = excluded.knows, expires_at = excluded.expires_at
