-- People who want an edition of their own each week, one for each profile.
with people as (
    insert into openbell.person (address, name, state, confirmed_at)
    select 'reader' || n || '@drill.example', 'Reader ' || n, 'active', openbell.now()
    from generate_series(1, jsonb_array_length($1::jsonb)) n
    returning id, address
)
insert into openbell.picks_profile (person_id, profile, personal)
select p.id, $1::jsonb -> (substring(p.address from '\d+')::int - 1), true from people p
