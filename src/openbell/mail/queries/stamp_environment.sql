with domain as (
    insert into openbell.meta (key, value) select 'mail_domain', to_jsonb($2::text) where $2::text is not null
    on conflict (key) do update set value = excluded.value
)
insert into openbell.meta as meta (key, value) values ('environment', to_jsonb($1::text))
on conflict (key) do update set value = meta.value
returning value #>> '{}'
