delete from openbell.confirmation where expires_at < (select openbell.now()) - interval '1 day'
