select p.revision, p.reason, p.selection, p.inputs, case when p.reason = 'topup' then b.selection end as before
from openbell.digest_pin p
left join openbell.digest_pin b
    on (b.ticker, b.edition, b.day, b.revision) = (p.ticker, p.edition, p.day, p.revision - 1)
where p.ticker = $1 and p.edition = $2 and p.day = $3
order by p.revision desc
limit 1
