-- What was known when the week began is forgotten while nothing has been made or asked for by it.
delete from openbell.picks_fact f
where f.week = $1
    and not exists (select 1 from openbell.picks_edition e where e.week = $1)
    and not exists (
        select 1 from openbell.picks_slot s
        where s.week = $1 and (s.status <> 'error' or exists (select 1 from openbell.picks_answer a where a.edition = s.edition)))
