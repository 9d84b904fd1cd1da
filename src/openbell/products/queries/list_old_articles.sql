-- Those that digest/queries/forget_articles.sql would delete, at most $2.
select a.id from openbell.digest_article a
where a.seen_at < (select openbell.now()) - $1::interval
    and not exists (select from openbell.digest_verdict v where v.article_id = a.id and v.outcome = 'used')
    and not exists (select from openbell.digest_article c where c.same_as = a.id)
order by a.id limit $2
