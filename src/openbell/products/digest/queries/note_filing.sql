update openbell.digest_filing f
set text_ref = coalesce($4, f.text_ref), failure = $5
where f.ticker = $1 and f.accession = $2 and f.form = $3
