-- The feeds that a ticker wants; those it does not want any more are unlinked, and stay for others.
with wanted as (
    select f.id, u.category, u.direction, u.about
    from unnest($2::text[], $3::text[], $4::text[], $5::text[], $6::text[]) u (kind, subject, category, direction, about)
    join openbell.digest_feed f using (kind, subject)
), gone as (
    delete from openbell.digest_ticker_feed t
    using openbell.digest_feed f
    where t.ticker = $1 and f.id = t.feed_id and f.kind in ('google', 'yahoo')
      and t.feed_id not in (select w.id from wanted w)
)
insert into openbell.digest_ticker_feed (ticker, feed_id, category, direction, subject)
select $1, w.id, w.category, w.direction, w.about from wanted w
on conflict (ticker, feed_id) do update
set category = excluded.category, direction = excluded.direction, subject = excluded.subject
