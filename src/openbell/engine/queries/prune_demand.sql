delete from openbell.demand where expires_at < openbell.now() - interval '1 minute'
