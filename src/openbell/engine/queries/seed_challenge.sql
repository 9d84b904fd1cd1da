-- A challenger, its flag (off) with the rule for widening it, and its budget, which stays as an operator has set it. The rule
-- and the end of the flag are set once; they are the operator's from then on.
with seeded as (
    insert into openbell.challenge as c (name, of, budget, seeded) values ($1, $2, $3::jsonb, $3::jsonb)
    on conflict (name) do update
    set of = excluded.of, budget = case when c.budget = c.seeded then excluded.budget else c.budget end, seeded = excluded.seeded
    where (c.of, c.seeded) is distinct from (excluded.of, excluded.seeded)
), added as (
    insert into openbell.flag (name, salt, about, owner, remove_by)
    values ($1, $1 || ':' || gen_random_uuid(), $4, 'code', (openbell.now() + interval '180 days')::date)
    on conflict (name) do nothing
    returning *
), ruled as (
    insert into openbell.flag_rule (flag, at_least, most_different, most_failed, over)
    select added.name, $5, $6, $7, $8 from added
)
insert into openbell.audit (actor, action, target, after)
select 'code', 'flag.add', added.name, to_jsonb(added) from added
