-- Leaves an operation of a provider alone for a span, until one call finds out whether it is there again. What an operator has
-- opened for longer stays.
insert into openbell.breaker as b (provider, operation, opened_at, open_until, code, reason)
values ($1, $2, openbell.now(), openbell.now() + $3::interval, $4, $5)
on conflict (provider, operation) do update
set open_until = greatest(b.open_until, excluded.open_until), openings = b.openings + 1, probe = null
