insert into openbell.digest_pin (ticker, edition, day, revision, reason)
select p.ticker, p.edition, p.day, p.revision + 1, $4
from openbell.digest_pin p
where p.ticker = $1 and p.edition = $2 and p.day = $3 and p.inputs is not null
  and p.revision = (select max(q.revision) from openbell.digest_pin q where (q.ticker, q.edition, q.day) = ($1, $2, $3))
on conflict do nothing
returning revision
