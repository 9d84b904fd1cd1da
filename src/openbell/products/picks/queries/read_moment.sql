-- The zone of the weekly run as it is in force, the time, and whether somebody has editions of their own made.
select coalesce((select s.zone from openbell.schedule s where s.name = 'picks-week'), $2) as zone, openbell.now() as now,
    coalesce((select a.given from openbell.picks_attestation a order by a.id desc limit 1), false)
    and exists (
        select 1 from openbell.person p join openbell.picks_profile f on f.person_id = p.id and f.personal
        where p.id = $1 and p.state = 'active' and p.erased_at is null) as own
