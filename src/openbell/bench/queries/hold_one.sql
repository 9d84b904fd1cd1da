-- One hold, all or nothing: a conditional update and an insert.
with taken as (
    update bench.vault v set held = v.held + 1 where v.id = $1 and v.held + 1 <= v.granted returning v.id
)
insert into bench.vault_hold (vault, amount) select taken.id, 1 from taken returning id
