-- phase: expand
--
-- Comparison forecasts: the result is an artifact of its own key; what evaluation needs outlives it here.
--
--   forecast_input (what a comparison rests on) ──▶ forecast_run ──▶ forecast_point (with what came) ──▶ forecast_score
--
-- A run is one forecast of a pair: two terms (0, 1) and their gap (2). It is stored once for its key, whoever makes it.

create table openbell.forecast_run (
    id         bigint      generated always as identity primary key,
    key        text        not null unique,
    pair       text        not null,
    engine     text        not null,
    challenger boolean     not null default false,
    step       text        not null check (step in ('D', 'W')),
    first_day  date        not null,
    last_day   date        not null,
    scale      jsonb       not null,
    leader     smallint    not null check (leader between -1 and 1),
    made_at    timestamptz not null default openbell.now(),
    scored_at  timestamptz,
    check (first_day <= last_day)
);
-- squawk-ignore require-concurrent-index-creation
create index forecast_run_due on openbell.forecast_run (last_day) where scored_at is null;
-- squawk-ignore require-concurrent-index-creation
create index forecast_run_pair on openbell.forecast_run (pair, made_at);

create table openbell.forecast_point (
    run_id bigint           not null references openbell.forecast_run (id) on delete cascade,
    term   smallint         not null check (term between 0 and 2),
    day    date             not null,
    mean   double precision not null,
    lo80   double precision not null,
    hi80   double precision not null,
    lo95   double precision not null,
    hi95   double precision not null,
    actual double precision,
    primary key (run_id, term, day)
);

-- One a run and term; a run is scored once, after its horizon. `winner` is null but for the gap.
create table openbell.forecast_score (
    run_id    bigint           not null references openbell.forecast_run (id) on delete cascade,
    term      smallint         not null,
    points    integer          not null check (points > 0),
    mae       double precision not null,
    naive_mae double precision not null,
    inside80  integer          not null,
    inside95  integer          not null,
    winner    boolean,
    at        timestamptz      not null default openbell.now(),
    primary key (run_id, term)
);

-- Which versions of which artifacts a comparison was made from: when one of them has a newer version, it is stale.
create table openbell.forecast_input (
    comparison text   not null,
    product    text   not null,
    key        text   not null,
    version    bigint not null,
    primary key (comparison, product, key)
);
-- squawk-ignore require-concurrent-index-creation
create index forecast_input_of on openbell.forecast_input (product, key);

-- Series that somebody brought: a name, and values by day. Gaps are missing days.
create table openbell.forecast_upload (
    name       text        primary key check (name ~ '^[a-z0-9][a-z0-9 ]{0,39}$'),
    person_id  bigint      references openbell.person (id) on delete cascade,
    points     jsonb       not null,
    changed_at timestamptz not null default openbell.now()
);

-- Comparisons that somebody keeps, and what they want to be told of. `seen` is what they were told last.
create table openbell.saved_comparison (
    person_id bigint      not null references openbell.person (id) on delete cascade,
    pair      text        not null,
    alert     text        not null default 'none' check (alert in ('none', 'leader', 'risk', 'score')),
    threshold integer     not null default 10 check (threshold between 1 and 100),
    seen      jsonb,
    saved_at  timestamptz not null default openbell.now(),
    primary key (person_id, pair)
);

-- How often somebody has asked in a minute, for all processes together. Lost in a crash, and worth no more.
create unlogged table openbell.forecast_knock (
    who    text        not null,
    minute timestamptz not null,
    knocks integer     not null,
    primary key (who, minute)
);
