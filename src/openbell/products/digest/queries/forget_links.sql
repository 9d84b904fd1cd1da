delete from openbell.digest_link where keep_until < (select openbell.now()) - interval '1 day'
