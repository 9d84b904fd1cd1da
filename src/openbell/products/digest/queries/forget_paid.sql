delete from openbell.digest_paid where day < ((select openbell.now()) - interval '60 days')::date
