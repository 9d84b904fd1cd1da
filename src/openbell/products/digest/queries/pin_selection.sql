update openbell.digest_pin p set selection = coalesce(p.selection, $5)
where p.ticker = $1 and p.edition = $2 and p.day = $3 and p.revision = $4
returning p.selection
