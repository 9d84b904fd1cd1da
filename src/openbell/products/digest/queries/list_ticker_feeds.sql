select f.id, f.kind, f.subject, f.policy, f.moved_to, f.etag, f.modified
from openbell.digest_ticker_feed t
join openbell.digest_feed f on f.id = t.feed_id
where t.ticker = $1
order by f.id
