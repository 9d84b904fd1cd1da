-- Filings that are not known yet; how many of them are new. All of the first check of a ticker are its baseline.
with first as (
    select not exists (select from openbell.digest_filing f where f.ticker = $1) as is_first
), added as (
    insert into openbell.digest_filing (ticker, accession, form, period, filed, title, address, items, state, synthetic)
    select $1, u.accession, u.form, u.period, u.filed, u.title, u.address, array_remove(string_to_array(u.items, ','), ''),
        case when f.is_first then 'baseline' else 'new' end, $9
    from unnest($2::text[], $3::text[], $4::date[], $5::date[], $6::text[], $7::text[], $8::text[])
         u (accession, form, period, filed, title, address, items)
    cross join first f
    order by u.accession
    on conflict (ticker, accession, form) do nothing
    returning state
)
select count(*) filter (where state = 'new') from added
