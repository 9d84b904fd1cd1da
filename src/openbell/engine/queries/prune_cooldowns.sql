-- Failures of long ago that nobody has tried again.
delete from openbell.cooldown where retry_at < (select openbell.now()) - interval '7 days'
