-- The least money that any of these accounts has left; none where none of them is of money.
select min(a.granted - a.held - a.spent - a.overrun) from openbell.account a where a.id = any($1::bigint[]) and a.resource = 'usd_micro'
