with gone as (
    delete from openbell.digest_neighbour n
    where n.ticker = $1
      and not exists (select from unnest($2::text[], $3::smallint[]) u (relation, place)
                      where u.relation = n.relation and u.place = n.place)
)
insert into openbell.digest_neighbour (ticker, relation, place, name, symbol)
select $1, u.relation, u.place, u.name, u.symbol
from unnest($2::text[], $3::smallint[], $4::text[], $5::text[]) u (relation, place, name, symbol)
on conflict (ticker, relation, place) do update set name = excluded.name, symbol = excluded.symbol
