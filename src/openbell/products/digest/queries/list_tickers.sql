select t.ticker, t.name, t.cik, t.aliases, t.industry, coalesce(n.beside, '[]') as beside
from openbell.digest_ticker t
left join lateral (
    select jsonb_agg(jsonb_build_object('relation', b.relation, 'name', b.name, 'symbol', b.symbol)
                     order by b.relation, b.place) as beside
    from openbell.digest_neighbour b
    where b.ticker = t.ticker
) n on true
where $1::text is null or t.ticker = $1
order by t.ticker
