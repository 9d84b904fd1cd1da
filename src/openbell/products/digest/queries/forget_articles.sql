-- Articles that no digest has used and that nobody has seen for $1, at most $2; of $3 alone, where that is given. What was
-- seen while this waited for it stays, therefore the time is asked of the row itself, too.
delete from openbell.digest_article a
where a.seen_at < (select openbell.now()) - $1::interval and a.id in (
    select b.id from openbell.digest_article b
    where b.seen_at < (select openbell.now()) - $1::interval
      and ($3::bigint[] is null or b.id = any ($3))
      and not exists (select from openbell.digest_verdict v where v.article_id = b.id and v.outcome = 'used')
      and not exists (select from openbell.digest_article c where c.same_as = b.id)
    order by b.id limit $2
)
