-- What bulk enqueue is compared with: a table without any index.
create table bench.bare (key text not null, args jsonb not null)
