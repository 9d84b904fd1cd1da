-- Whether a feed is to be asked: not within $2 of a look that has brought it, and not before it may be asked again. Two who
-- look at once are harmless; one who marks a feed as seen and dies would not be.
update openbell.digest_feed f
set polled_at = (select openbell.now()), polls = f.polls + 1
where f.id = $1
  and (f.succeeded_at is null or f.succeeded_at <= (select openbell.now()) - $2::interval)
  and (f.not_before is null or f.not_before <= (select openbell.now()))
returning f.id
