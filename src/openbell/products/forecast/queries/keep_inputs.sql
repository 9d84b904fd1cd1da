-- What a comparison rests on now, instead of what it rested on before.
with gone as (
    delete from openbell.forecast_input i
    where i.comparison = $1 and not exists (
        select 1 from unnest($2::text[], $3::text[]) as u (product, key) where u.product = i.product and u.key = i.key)
)
insert into openbell.forecast_input (comparison, product, key, version)
select $1, u.product, u.key, u.version from unnest($2::text[], $3::text[], $4::bigint[]) as u (product, key, version)
order by u.product, u.key
on conflict (comparison, product, key) do update set version = excluded.version
