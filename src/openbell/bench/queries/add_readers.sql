-- People who want an edition of their own each week.
with people as (
    insert into openbell.person (address, name, state, confirmed_at)
    select 'reader' || n || '@bench.example', 'Reader ' || n, 'active', openbell.now() from generate_series(1, $1) n
    returning id
)
insert into openbell.picks_profile (person_id, profile, personal) select p.id, '{"interests": ["energy"]}', true from people p
