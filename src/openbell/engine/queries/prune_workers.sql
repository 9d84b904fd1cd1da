delete from openbell.worker where gone and expires_at < (select openbell.now()) - interval '1 day'
