-- What somebody may be shown now: the Monday of the week that runs in the zone of the weekly run, whether they have editions of
-- their own made, and by kind the latest edition that is theirs or everybody's, without what is in it. `mark` changes with a row.
with moment as materialized (
    select date_trunc('week', (select openbell.now()) at time zone coalesce((select s.zone from openbell.schedule s where s.name = 'picks-week'), $2))::date as week,
        coalesce((select a.given from openbell.picks_attestation a order by a.id desc limit 1), false)
        and exists (
            select 1 from openbell.person p join openbell.picks_profile f on f.person_id = p.id and f.personal
            where p.id = $1 and p.state = 'active' and p.erased_at is null) as own
)
select m.week as this_week, m.own, h.edition, h.week, h.kind, h.made_at, h.mark
from moment m
left join lateral (
    select distinct on (e.kind) e.edition, e.week, e.kind, e.made_at, e.mark
    from (
        (select o.edition, o.person_id, o.week, o.kind, o.made_at, o.xmin::text as mark from openbell.picks_edition o
            where o.person_id = $1 and o.week <= m.week order by o.week desc limit 60)
        union all
        (select o.edition, o.person_id, o.week, o.kind, o.made_at, o.xmin::text as mark from openbell.picks_edition o
            where o.person_id is null and o.week <= m.week order by o.week desc limit 60)
    ) e
    order by e.kind, e.person_id is null, e.week desc
) h on true
