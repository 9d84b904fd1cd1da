-- The latest filings of a symbol that are stored, newest first.
select f.form, f.filed, f.title, f.address, f.synthetic
from openbell.digest_filing f
where f.ticker = $1
order by f.filed desc, f.accession desc, f.form limit $2
