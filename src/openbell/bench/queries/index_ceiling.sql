create index ceiling_waiting on bench.ceiling (priority, id) where taken_at is null
