insert into openbell.picks_profile (person_id, profile, personal) values ($1, $2, $3)
on conflict (person_id) do update
set profile = excluded.profile, personal = excluded.personal, changed_at = openbell.now()
