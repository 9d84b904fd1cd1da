-- The articles with these addresses, those that somebody else has just stored included.
with given as (
    select u.*
    from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::timestamptz[], $9::text[])
         u (address, google_id, title, title_key, publisher, domain, summary, published_at, spam)
), added as (
    insert into openbell.digest_article
        (address, google_id, title, title_key, publisher, domain, summary, published_at, spam, synthetic)
    select g.address, g.google_id, g.title, g.title_key, g.publisher, g.domain, g.summary, g.published_at, g.spam, $10
    from given g
    order by g.address
    on conflict ((md5(address))) do update set seen_at = openbell.digest_article.seen_at
    returning id, address
)
select id, address from added
