-- Versions that a newer one has replaced, a bounded number at a time.
delete from openbell.version v
where (v.product, v.key, v.version) in (
    select o.product, o.key, o.version
    from openbell.product p
    join openbell.version o on o.product = p.name and o.created_at < openbell.now() - p.keep_for
    join openbell.artifact a on a.product = o.product and a.key = o.key and a.version > o.version
    limit 5000
)
