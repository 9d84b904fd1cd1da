insert into openbell.follow (person_id, ticker) select $1, t.ticker from openbell.digest_ticker t order by t.ticker limit 3
