-- The newest results of products whose keys name no person.
select a.* from openbell.artifact a
where a.product = any ($1::text[]) and a.version > 0
order by a.changed_at desc, a.product, a.key limit $2
