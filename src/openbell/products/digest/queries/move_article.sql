-- The article's own address is known now. When another article stands there already, this one is the same as that.
with other as (
    select coalesce(b.same_as, b.id) as id
    from openbell.digest_article b
    where md5(b.address) = md5($2) and b.address = $2 and b.id <> $1 and coalesce(b.same_as, b.id) <> $1
), merged as (
    update openbell.digest_article a set same_as = o.id
    from other o
    where a.id = $1 and a.same_as is null
    returning a.id
)
update openbell.digest_article a
set address = $2, domain = coalesce($3, a.domain)
where a.id = $1 and a.same_as is null and a.address <> $2 and not exists (select from other)
