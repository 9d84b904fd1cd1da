-- The digests of the latest day that any was made for: the key is ticker, edition and day.
with made as (
    select a.key, split_part(a.key, '|', 3)::date as day from openbell.artifact a where a.product = 'digest' and a.version > 0
)
select key from made where day = (select max(day) from made) order by key
