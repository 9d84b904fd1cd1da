-- A limit below what is in use holds for new calls at once; the granted sum follows as use ends.
insert into openbell.account as a (subject, resource, period, closes, span, grain, granted)
values ($1, $2, $3, $4::text::openbell.closing, $5, $6, $7)
on conflict (subject, resource, period) do update
set granted = greatest(excluded.granted, a.held + a.spent), span = excluded.span, grain = excluded.grain,
    lowered_to = case when excluded.granted < a.held + a.spent then excluded.granted end
returning id
