-- Titles that digests of a ticker have used in the week before a day.
select distinct a.title
from openbell.digest_verdict v
join openbell.digest_article a on a.id = v.article_id
where v.ticker = $1 and v.outcome = 'used' and v.day < $2 and v.day >= $2::date - 7
