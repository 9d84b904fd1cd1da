-- A call has ended: its places among the calls at once are free, before the rest of it is settled with what it was made for.
with gone as (
    delete from openbell.hold h using openbell.account a
    where h.spend_id = $1 and a.id = h.account_id and a.closes = 'release'
    returning h.account_id, h.amount
)
insert into openbell.aging (account_id, frees_at, amount)
select gone.account_id, openbell.now(), gone.amount from gone
