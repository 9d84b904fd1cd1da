-- A name belongs to whoever took it first; no row for anybody else.
insert into openbell.forecast_upload as u (name, points, person_id) values ($1, $2, $3)
on conflict (name) do update set points = excluded.points, changed_at = openbell.now()
where u.person_id is not distinct from excluded.person_id
returning name
