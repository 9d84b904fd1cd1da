-- Of a ticker: the latest 10-K and 10-Q filed until $3, and at most $4 current reports and releases filed from $2 to $3.
with ranked as (
    select f.*, row_number() over (partition by f.form order by f.filed desc, f.accession desc) as place
    from openbell.digest_filing f
    where f.ticker = $1 and f.filed <= $3
)
select r.ticker, r.accession, r.form, r.period, r.filed, r.title, r.address, r.items, r.state, r.text_ref, r.synthetic,
    r.text_ref is null and r.failure is null as is_open
from ranked r
where case when r.form in ('10-K', '10-Q') then r.place = 1 else r.filed >= $2 and r.place <= $4 end
order by r.filed desc, r.accession desc, r.form
