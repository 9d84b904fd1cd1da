-- A press release beside a filing is as new as the filing.
insert into openbell.digest_filing (ticker, accession, form, period, filed, title, address, items, state, synthetic)
select f.ticker, f.accession, $3, f.period, f.filed, f.title || ', press release', $4, f.items, f.state, f.synthetic
from openbell.digest_filing f
where f.ticker = $1 and f.accession = $2 and f.form = '8-K'
on conflict (ticker, accession, form) do nothing
