delete from openbell.visit where expires_at < (select openbell.now()) - interval '7 days'
