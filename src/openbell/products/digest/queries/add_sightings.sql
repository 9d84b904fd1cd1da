insert into openbell.digest_sighting (feed_id, identity, article_id)
select $1, u.identity, u.article_id
from unnest($2::text[], $3::bigint[]) u (identity, article_id)
order by 2
on conflict (feed_id, identity) do nothing
