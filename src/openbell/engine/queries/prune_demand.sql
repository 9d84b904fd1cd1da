delete from openbell.demand where expires_at < (select openbell.now()) - interval '1 minute'
