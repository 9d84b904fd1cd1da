with chosen as (
    select a.product, a.key, a.version from openbell.artifact a
    where a.product = any ($1::text[]) and a.version > 0
    order by a.changed_at desc, a.product, a.key limit $2
)
select v.* from chosen c join openbell.version v using (product, key, version)
