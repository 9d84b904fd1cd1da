select count(*) from openbell.demand where expires_at > openbell.now()
