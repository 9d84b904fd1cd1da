select ref, body from openbell.digest_text where ref = any ($1::text[])
