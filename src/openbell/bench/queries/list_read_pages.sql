-- Where the articles stand that were read.
select a.address from openbell.digest_article a where a.reading = 'free' and a.text_ref is not null order by a.id limit $1
