-- Who gets an edition by mail: its person, or of everybody's those who have none of their own this week.
select p.id from openbell.person p
join openbell.picks_profile f on f.person_id = p.id and f.by_mail
where p.state = 'active' and p.erased_at is null
    and case when $2::bigint is null
        then not exists (select 1 from openbell.picks_slot s where s.person_id = p.id and s.week = $1 and s.status <> 'error')
        else p.id = $2 end
order by p.id limit 100000
