select (select count(*) from openbell.artifact) as results, (select count(*) from openbell.job) as jobs,
    (select count(*) from openbell.delivery) as mails, (select count(*) from openbell.digest_article) as articles,
    (select count(*) from openbell.digest_ticker) as tickers,
    (select count(*) from openbell.person where role <> 'admin') as people
