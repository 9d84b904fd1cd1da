delete from openbell.digest_article a
where a.id in (
    select b.id from openbell.digest_article b
    where b.seen_at < (select openbell.now()) - $1::interval
        and not exists (select from openbell.digest_verdict v where v.article_id = b.id and v.outcome = 'used')
        and not exists (select from openbell.digest_article c where c.same_as = b.id)
    order by b.id limit $2
)
returning a.id
