delete from openbell.worker where gone and expires_at < openbell.now() - interval '1 day'
