insert into openbell.picks_profile (person_id, profile, personal, by_mail) values ($1, $2, $3, $4)
on conflict (person_id) do update
set profile = excluded.profile, personal = excluded.personal, by_mail = excluded.by_mail, changed_at = openbell.now()
