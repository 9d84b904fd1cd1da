update openbell.digest_edition e
set mailed_version = greatest(e.mailed_version, $4), mailed_at = (select openbell.now()), quiet = $5
where e.ticker = $1 and e.edition = $2 and e.day = $3
