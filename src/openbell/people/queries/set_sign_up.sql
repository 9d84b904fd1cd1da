insert into openbell.meta (key, value) values ('sign_up', to_jsonb($1::text))
on conflict (key) do update set value = excluded.value
