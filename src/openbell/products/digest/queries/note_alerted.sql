update openbell.digest_edition e
set alerted_at = (select openbell.now())
from unnest($1::text[], $2::text[], $3::date[]) u (ticker, edition, day)
where (e.ticker, e.edition, e.day) = (u.ticker, u.edition, u.day)
