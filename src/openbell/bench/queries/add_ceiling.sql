with added as (
    insert into bench.ceiling (args) values ($1::jsonb) returning id
)
select pg_notify('bench', id::text) from added
