-- The inputs with what became of every article, in one statement. What was pinned before stays.
with pinned as (
    update openbell.digest_pin p set inputs = coalesce(p.inputs, $5)
    where p.ticker = $1 and p.edition = $2 and p.day = $3 and p.revision = $4
    returning p.inputs
), judged as (
    insert into openbell.digest_verdict
        (ticker, edition, day, revision, article_id, category, direction, subject, scores, outcome, reason)
    select $1, $2, $3, $4, u.id, u.category, u.direction, u.subject, u.scores, u.outcome, u.reason
    from unnest($6::bigint[], $7::text[], $8::text[], $9::text[], $10::jsonb[], $11::text[], $12::text[])
         u (id, category, direction, subject, scores, outcome, reason)
    order by u.id
    on conflict do nothing
)
select inputs from pinned
