-- How the old way does before the flag $1 is moved for the first time, or again after it was off.
insert into openbell.baseline (flag, at, hours, figures) values ($1, (select openbell.now()), $2, $3)
on conflict (flag) do update set at = excluded.at, hours = excluded.hours, figures = excluded.figures
