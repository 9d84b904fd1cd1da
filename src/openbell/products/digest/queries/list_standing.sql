-- The articles of the window $2 to $3 that a ticker's feeds have shown, each once: what is about the company is its own news,
-- whatever else it is about. One without a date counts by when it was first seen.
with shown as (
    select distinct on (coalesce(a.same_as, a.id)) coalesce(a.same_as, a.id) as id, t.category, t.direction, t.subject
    from openbell.digest_ticker_feed t
    join openbell.digest_sighting s on s.feed_id = t.feed_id
    join openbell.digest_article a on a.id = s.article_id
    where t.ticker = $1 and coalesce(a.published_at, a.seen_at) > $2 and coalesce(a.published_at, a.seen_at) <= $3
    order by coalesce(a.same_as, a.id), array_position(array['company', 'competitor', 'value_chain', 'industry'], t.category), t.feed_id
), placed as (
    select s.*, a.address, a.google_id, a.title, a.title_key, a.publisher, a.domain, a.summary, a.published_at, a.spam, a.synthetic,
        row_number() over (partition by s.category, s.subject order by coalesce(a.published_at, a.seen_at) desc, a.id) as place
    from shown s
    join openbell.digest_article a using (id)
)
select p.id, p.address, p.google_id, p.title, p.title_key, p.publisher, p.domain, p.summary, p.published_at, p.spam,
    p.category, p.direction, p.subject, p.synthetic, (
        select max(v.day)::text from openbell.digest_verdict v
        where v.article_id = p.id and v.ticker = $1 and v.edition = $5 and v.outcome = 'used' and v.day < $6
    ) as told
from placed p
where p.place <= $4
order by p.published_at desc nulls last, p.id
