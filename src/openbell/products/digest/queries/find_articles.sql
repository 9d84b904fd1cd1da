-- The articles that entries are, by their place from 1, where they are known.
select u.place, coalesce(a.same_as, a.id) as article_id
from unnest($2::text[], $3::text[], $4::text[], $5::text[], $6::timestamptz[])
     with ordinality u (identity, address, publisher, title_key, published_at, place)
cross join lateral (
    select coalesce(
        (select s.article_id from openbell.digest_sighting s where s.feed_id = $1 and s.identity = u.identity),
        (select b.id from openbell.digest_article b where md5(b.address) = md5(u.address) and b.address = u.address),
        (select c.id from openbell.digest_article c
         where c.publisher = u.publisher and c.title_key = u.title_key and u.title_key <> ''
           and abs(extract(epoch from coalesce(c.published_at, c.seen_at) - coalesce(u.published_at, (select openbell.now()))))
               <= 129600
         order by c.id limit 1)
    ) as id
) found
join openbell.digest_article a on a.id = found.id
