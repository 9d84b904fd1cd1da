-- phase: expand
--
-- Schedules and their occurrences, and depth over time.

-- A declaration in code seeds a row; from then on the row is what happens, and an operator may change it.
--   missed    what becomes of an occurrence that nobody could take in time: run it late, or skip it
--   max_late  how late it may still begin, and within which time a result is expected
--   next_at   the next occurrence; null when it must be planned anew
--   problem   why it cannot be planned; null when it can
create table openbell.schedule (
    name             text        primary key check (name ~ '^[a-z][a-z0-9-]{0,62}$'),
    product          text        not null references openbell.product (name),
    key              text        not null,
    args             jsonb,
    cron             text        not null,
    zone             text        not null,
    missed           text        not null check (missed in ('late', 'skip')),
    max_late         interval    not null check (max_late > interval '0'),
    enabled          boolean     not null default true,
    seeded           jsonb       not null,
    changed_at       timestamptz not null default openbell.now(),
    next_at          timestamptz,
    problem          text,
    last_due_at      timestamptz,
    last_enqueued_at timestamptz,
    last_success_at  timestamptz
);

-- One row an occurrence: the primary key is what keeps any number of schedulers from running it twice.
create table openbell.occurrence (
    schedule  text        not null references openbell.schedule (name) on delete cascade,
    due_at    timestamptz not null,
    product   text        not null,
    key       text        not null,
    state     text        not null check (state in ('queued', 'done', 'failed', 'skipped')),
    job_id    bigint,
    actor     text        not null,
    queued_at timestamptz not null,
    ended_at  timestamptz,
    note      text,
    primary key (schedule, due_at),
    check ((state = 'queued') = (ended_at is null))
);
create index occurrence_open on openbell.occurrence (schedule) where state = 'queued';

-- How deep the queue was, minute by minute. A minute in which nothing was live has one row with the product ''.
create table openbell.depth (
    at          timestamptz not null,
    product     text        not null,
    job_class   smallint    not null,
    waiting     integer     not null,
    parked      integer     not null,
    running     integer     not null,
    oldest_wait interval,
    primary key (at, product, job_class)
);

insert into openbell.duty values ('upkeep', '-infinity');
