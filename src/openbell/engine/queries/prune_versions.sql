-- Versions that were replaced longer ago than they are kept, a bounded number at a time.
delete from openbell.version v
where (v.product, v.key, v.version) in (
    select o.product, o.key, o.version
    from openbell.product p
    join openbell.version n on n.product = p.name and n.created_at < openbell.now() - p.keep_for
    join openbell.version o on o.product = n.product and o.key = n.key and o.version = n.version - 1
    limit 5000
)
