select google_id, target from openbell.digest_link
where google_id = any ($1::text[]) and keep_until > (select openbell.now())
