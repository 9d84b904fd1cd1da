-- Limits for all jobs and for classes that nobody sets any more; those of products are set by hand and stay.
delete from openbell.seat_limit l
where l.scope in ('total', 'class') and not exists (
    select 1 from unnest($1::text[], $2::text[]) as u (scope, name) where u.scope = l.scope and u.name = l.name)
returning l.scope, l.name
