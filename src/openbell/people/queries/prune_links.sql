delete from openbell.link where expires_at < (select openbell.now()) - interval '7 days'
