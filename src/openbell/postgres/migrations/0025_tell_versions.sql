-- phase: expand
--
-- Which code runs: the number of the newest migration that a process knows. A contract file waits for those who know less
-- (openbell/postgres/migrate.py); a worker that says nothing is older than this file.
alter table openbell.worker add column knows integer;

create table openbell.web_process (
    name       text        primary key,
    knows      integer     not null,
    started_at timestamptz not null default openbell.now(),
    expires_at timestamptz not null
);
