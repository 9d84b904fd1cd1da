-- Versions that were replaced longer ago than they are kept, a bounded number at a time.
delete from openbell.version v
where (v.product, v.key, v.version) in (
    select o.product, o.key, o.version
    from openbell.product p
    join openbell.version o on o.product = p.name and o.created_at < (select openbell.now()) - p.keep_for
    where exists (
        select 1 from openbell.version n
        where n.product = o.product and n.key = o.key and n.version > o.version and n.created_at < (select openbell.now()) - p.keep_for)
    limit 5000
)
