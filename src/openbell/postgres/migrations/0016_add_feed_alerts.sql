-- phase: expand
-- When admins were told that a feed has stopped working; null again as soon as it works.
alter table openbell.digest_feed add column told_at timestamptz;
