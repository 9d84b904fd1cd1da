-- What feeds of tickers $1 have shown for the first time from $2 until before $3, each title once under every ticker that it is
-- about: the first $4 of one ticker, its own news before that of others and the newest before older, and how many there are.
-- What was published a day before that is no news, nor is a title that another article has brought in that day.
with fresh as materialized (
    select a.id, a.address, a.title, a.publisher, a.published_at, coalesce(a.published_at, a.seen_at) as at,
        coalesce(nullif(a.title_key, ''), a.id::text) as story
    from openbell.digest_article a
    where a.seen_at >= $2 and a.seen_at < $3 and a.spam is null and a.same_as is null
      and coalesce(a.published_at, a.seen_at) >= $2 - interval '1 day'
      and not exists (
          select from openbell.digest_article b
          where b.seen_at >= $2 - interval '1 day' and b.seen_at < $2 and b.title_key = a.title_key and a.title_key <> ''
      )
), shown as (
    select distinct on (t.ticker, f.story) t.ticker, t.category, t.subject, f.*, c.nearness
    from fresh f
    join openbell.digest_sighting s on s.article_id = f.id
    join openbell.digest_ticker_feed t on t.feed_id = s.feed_id and t.ticker = any ($1::text[])
    cross join lateral (select array_position(array['company', 'competitor', 'value_chain', 'industry'], t.category) as nearness) c
    order by t.ticker, f.story, c.nearness, f.id, t.feed_id
), placed as (
    select s.*, row_number() over (partition by s.ticker order by s.nearness, s.at desc, s.id) as place,
        count(*) over (partition by s.ticker) as total
    from shown s
)
select p.ticker, p.category, p.subject, p.address, p.title, p.publisher, p.published_at, p.total,
    (select count(distinct q.story) from shown q) as articles
from placed p
where p.place <= $4
order by p.ticker, p.place
