-- phase: expand
--
-- What the console draws over time, summed while it happens, so that no page sums history:
--
--   job_history, depth, spend ──▶ trend_work, trend_cost (steps of 1 minute ▶ 15 ▶ 120)

--   step     minutes from `at` on; good and bad are the jobs that ended, waits how many of them fell between the edges of
--            openbell.engine.trends before they began; waiting, parked and running are null where no worker looked
create table openbell.trend_work (
    step        smallint    not null check (step in (1, 15, 120)),
    at          timestamptz not null,
    job_class   smallint    not null,
    good        integer     not null,
    bad         integer     not null,
    waits       integer[]   not null,
    waiting     integer,
    parked      integer,
    running     integer,
    oldest_wait interval,
    primary key (step, at, job_class)
);

-- What the calls have cost that ended in the step.
create table openbell.trend_cost (
    step       smallint    not null check (step in (1, 15, 120)),
    at         timestamptz not null,
    provider   text        not null,
    calls      integer     not null,
    cost_micro bigint      not null,
    primary key (step, at, provider)
);
