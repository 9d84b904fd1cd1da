-- Columns that still hold what the last declaration said follow the new one; columns that an operator set stay.
-- A schedule whose times have changed is planned anew.
insert into openbell.schedule as s (name, product, key, args, cron, zone, missed, max_late, seeded)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9::jsonb)
on conflict (name) do update set
    product = excluded.product, key = excluded.key, args = excluded.args,
    cron = case when s.cron = s.seeded ->> 'cron' then excluded.cron else s.cron end,
    zone = case when s.zone = s.seeded ->> 'zone' then excluded.zone else s.zone end,
    missed = case when s.missed = s.seeded ->> 'missed' then excluded.missed else s.missed end,
    max_late = case when s.max_late = (s.seeded ->> 'max_late')::interval then excluded.max_late else s.max_late end,
    next_at = case when (excluded.cron, excluded.zone) is distinct from (s.seeded ->> 'cron', s.seeded ->> 'zone') then null else s.next_at end,
    problem = null, seeded = excluded.seeded
where s.seeded is distinct from excluded.seeded
