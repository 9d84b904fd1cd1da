-- Trials are kept as long as the history of their jobs, a bounded number at a time.
delete from openbell.trial
where id in (select r.id from openbell.trial r where r.at < (select openbell.now()) - interval '30 days' order by r.id limit 5000)
