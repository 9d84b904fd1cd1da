-- Digests that are to be sent within $1, or should have been, have no mails yet, and that nobody was told of.
select e.ticker, e.edition, e.day, e.send_at
from openbell.digest_edition e
where e.mailed_version is null and not e.quiet and e.alerted_at is null
  and e.send_at - $1::interval <= (select openbell.now()) and e.send_at > (select openbell.now()) - interval '1 day'
order by e.send_at, e.ticker
