-- Articles that we have, of these days, whose title names the term as a word.
select title, publisher, address, published_at::date as day
from openbell.digest_article
where published_at >= $2::date and published_at < $3::date and spam is null and same_as is null
    and position(lower($1) in lower(title)) > 0
order by published_at limit $4
