-- phase: expand
--
-- The tables of the engine, in the order in which the data flows:
--
--   demand ──▶ job ──▶ (step, spend, hold) ──▶ artifact + version ──▶ job_history
--
-- demand      who wants which key, until when            written by viewers, schedules, requests
-- job         the live work: waiting, parked, running      written by the sweep, the claim, the worker that holds the token
-- artifact    the head of a key: how fresh, which version  written only by publishing
-- version     the values, one row each, never changed    written only by publishing
-- cooldown    a key that failed and may not be queued yet  written when a job ends in failure
-- account     what may be spent; hold, aging, spend say on what it went
-- breaker     whom to leave alone for a while              written by the calls that fail

create schema if not exists openbell;

-- One clock. Tests move it for every process at once by changing the one row.
create table openbell.clock (
    single boolean primary key default true check (single),
    shift  interval not null default interval '0'
);
insert into openbell.clock default values;

create function openbell.now() returns timestamptz
    language sql stable parallel safe
    return clock_timestamp() + (select shift from openbell.clock);

-- What this database is: its mode (sandbox or live) and whatever else must be true of it as a whole.
create table openbell.meta (
    key   text  primary key,
    value jsonb not null
);

-- The registry. A declaration in code seeds a row; from then on the row is the policy, and an operator may change it.
-- An artifact has a freshness policy; a task leaves no artifact and has none. `bundle` is how many jobs of it one slot
-- may claim at once; `patience` is how long a job may wait before it is given up.
create table openbell.product (
    name         text        primary key check (name ~ '^[a-z][a-z0-9-]{0,62}$'),
    kind         text        not null check (kind in ('artifact', 'task')),
    version      integer     not null check (version > 0),
    provider     text        not null,
    job_class    smallint    not null check (job_class between 0 and 99),
    ttl          interval    check (ttl > interval '0'),
    stale_ttl    interval    check (stale_ttl >= ttl),
    empty_ttl    interval    check (empty_ttl > interval '0'),
    retry_ttl    interval    not null check (retry_ttl > interval '0'),
    keep_for     interval    not null check (keep_for >= interval '0'),
    timeout      interval    not null check (timeout > interval '0'),
    patience     interval    not null check (patience > interval '0'),
    max_attempts smallint    not null check (max_attempts between 1 and 100),
    max_bytes    integer     not null check (max_bytes between 1 and 67108864),
    bundle       integer     not null default 1 check (bundle between 1 and 5000),
    calls        integer     not null check (calls >= 0),
    bytes        bigint      not null check (bytes >= 0),
    licence      text        not null,
    enabled      boolean     not null default true,
    seeded       jsonb       not null,
    changed_at   timestamptz not null default openbell.now(),
    check (kind = 'task' or (ttl is not null and stale_ttl is not null and empty_ttl is not null))
);

-- How long before its end a value is refreshed while somebody looks, so that the new one is there when the old one ends.
create function openbell.lead(p_ttl interval) returns interval
    language sql immutable parallel safe
    return least(p_ttl / 3, interval '2 seconds');

create type openbell.artifact_state as enum ('value', 'empty', 'fallback');

create table openbell.artifact (
    product     text        not null references openbell.product (name),
    key         text        not null,
    version     integer     not null check (version >= 0),
    state       openbell.artifact_state not null,
    checked_at  timestamptz not null,
    changed_at  timestamptz,
    source_time timestamptz,
    fresh_until timestamptz not null,
    stale_until timestamptz not null check (stale_until >= fresh_until),
    primary key (product, key),
    check ((version = 0) = (changed_at is null))
) with (fillfactor = 80);

create table openbell.version (
    product          text        not null,
    key              text        not null,
    version          integer     not null check (version > 0),
    created_at       timestamptz not null,
    source_time      timestamptz,
    value            jsonb       not null,
    provenance       jsonb       not null,
    producer_version integer     not null,
    licence          text        not null,
    cost_micro       bigint      not null check (cost_micro >= 0),
    job_id           bigint      not null,
    primary key (product, key, version)
);

create index version_created on openbell.version using brin (created_at);

create function openbell.refuse_change() returns trigger language plpgsql as $$
begin
    raise exception 'versions are immutable: % % v%', old.product, old.key, old.version
        using errcode = 'OB001', hint = 'publish a new version instead';
end $$;
create trigger version_is_immutable before update on openbell.version
    for each row execute function openbell.refuse_change();

create table openbell.cooldown (
    product  text        not null,
    key      text        not null,
    code     text        not null,
    message  text        not null,
    at       timestamptz not null,
    retry_at timestamptz not null,
    failures integer     not null default 1,
    job_id   bigint      not null,
    primary key (product, key)
);

-- A lease of interest. Unlogged: after a crash the truth is the next beat.
create unlogged table openbell.demand (
    source     text        not null,
    product    text        not null,
    key        text        not null,
    weight     integer     not null check (weight > 0),
    job_class  smallint    not null,
    expires_at timestamptz not null,
    primary key (product, key, source)
);

create type openbell.job_state as enum ('waiting', 'parked', 'running');
create type openbell.job_outcome as enum ('done', 'unchanged', 'empty', 'outdated', 'superseded', 'failed', 'expired', 'cancelled');

-- A token is never issued twice, also when a crash takes back claims whose commit did not wait for the disk: a sequence
-- would go back with them. Milliseconds, then twenty random bits; on one job two claims lie a rescue apart.
create function openbell.new_token() returns bigint
    language sql volatile
    return ((extract(epoch from clock_timestamp()) * 1000)::bigint << 20) | floor(random() * 1048576)::bigint;

-- Live work only. One row a key: that is what makes a result once. A claim changes no indexed column, so that it stays on
-- its page (a HOT update) and the indexes see a job twice: when it comes and when it goes. Small tasks in large numbers
-- (`bundled`) stand apart in the claim's index, so that a million of them hide nobody.
create table openbell.job (
    id           bigint      generated always as identity primary key,
    product      text        not null,
    key          text        not null,
    bundled      boolean     not null default false,
    job_class    smallint    not null,
    number       smallint    not null default 1 check (number between 0 and 100),
    attempt      smallint    not null default 0,
    max_attempts smallint    not null,
    queued_at    timestamptz not null default openbell.now(),
    parked_until timestamptz,
    worker       bigint,
    token        bigint,
    started_at   timestamptz,
    args         jsonb,
    batch        bigint,
    aged         smallint    not null default 0,
    reason       text,
    cancelled_by text,
    progress     text,
    trail        jsonb,
    state        openbell.job_state not null generated always as (
        case when token is not null then 'running'::openbell.job_state
             when parked_until is not null then 'parked'::openbell.job_state
             else 'waiting'::openbell.job_state end
    ) stored,
    check ((token is null) = (worker is null)),
    check (token is null or parked_until is null)
) with (fillfactor = 42, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 1000);

create unique index job_key on openbell.job (product, key);
create index job_claim on openbell.job (bundled, job_class, (-number), id) where parked_until is null;
create index job_parked on openbell.job (parked_until) where parked_until is not null;

-- Jobs that were submitted together, and how many of them have ended how.
create table openbell.batch (
    id         bigint      generated always as identity primary key,
    name       text        not null,
    created_at timestamptz not null default openbell.now(),
    total      integer     not null check (total >= 0),
    done       integer     not null default 0,
    failed     integer     not null default 0,
    cancelled  integer     not null default 0,
    check (done + failed + cancelled <= total)
);

-- What a parked job waits for: it is woken when the last of these artifacts has been published.
create table openbell.need (
    product text   not null,
    key     text   not null,
    job_id  bigint not null,
    primary key (product, key, job_id)
);
create index need_job on openbell.need (job_id);

-- Limits on what runs at once, and the seats that running jobs take of them. `most` for all jobs ('total'), a class or a
-- product; `least` is a floor that others leave free for a class while it has work waiting.
create table openbell.seat_limit (
    scope text    not null check (scope in ('total', 'class', 'product')),
    name  text    not null,
    most  integer not null check (most >= 0),
    least integer not null default 0 check (least between 0 and most),
    primary key (scope, name)
);
create table openbell.seat (
    job_id    bigint   primary key,
    product   text     not null,
    job_class smallint not null
);

create table openbell.job_history (
    id          bigint      not null,
    product     text        not null,
    key         text        not null,
    job_class   smallint    not null,
    outcome     openbell.job_outcome not null,
    attempts    smallint    not null,
    queued_at   timestamptz not null,
    started_at  timestamptz,
    finished_at timestamptz not null,
    worker      bigint,
    cost_micro  bigint      not null,
    batch       bigint,
    args        jsonb,
    version     integer,
    code        text,
    message     text,
    trail       jsonb
) partition by range (finished_at);
create table openbell.job_history_default partition of openbell.job_history default;
create index job_history_id on openbell.job_history using brin (id) with (pages_per_range = 16);
create index job_history_finished on openbell.job_history using brin (finished_at) with (pages_per_range = 16);

create table openbell.worker (
    id         bigint      generated always as identity primary key,
    name       text        not null,
    slots      integer     not null,
    started_at timestamptz not null default openbell.now(),
    beat_at    timestamptz not null default openbell.now(),
    expires_at timestamptz not null,
    draining   boolean     not null default false,
    gone       boolean     not null default false,
    counters   jsonb       not null default '{}',
    classes    smallint[],
    products   text[]
);

-- Background duties: whoever moves next_at forward does the beat. No leader, so no leader whose freeze blocks the others.
create table openbell.duty (
    name    text        primary key,
    next_at timestamptz not null
);
insert into openbell.duty values ('sweep', '-infinity'), ('prune', '-infinity');

create table openbell.step (
    job_id   bigint      not null,
    name     text        not null,
    token    bigint      not null,
    value    jsonb       not null,
    ended_at timestamptz not null default openbell.now(),
    primary key (job_id, name)
);

-- closes: how a hold on this account ends.
--   age      it counts until `span` after the call has ended: an exact sliding window
--   charge   it is posted with the true cost and stays spent
--   release  it is given back when the call has ended
-- The period is part of the name: a new month is a new row with an end of its own, and nothing is ever reset.
-- granted   what may be taken: the limit, and `extra`, the sum of its grants
-- lowered_to  a limit below what is in use holds for new calls at once; `granted` follows as use ends
-- floors    by job class, what less urgent classes must leave free for it
create type openbell.closing as enum ('age', 'charge', 'release');

create table openbell.account (
    id             bigint   generated always as identity primary key,
    subject        text     not null,
    resource       text     not null,
    period         text     not null,
    closes         openbell.closing not null,
    span           interval check (span > interval '0'),
    grain          interval not null default interval '0',
    ends_at        timestamptz,
    granted        bigint   not null check (granted >= 0),
    extra          bigint   not null default 0,
    lowered_to     bigint   check (lowered_to >= 0),
    floors         jsonb    not null default '{}',
    held           bigint   not null default 0 check (held >= 0),
    spent          bigint   not null default 0 check (spent >= 0),
    overrun        bigint   not null default 0 check (overrun >= 0),
    blocked_until  timestamptz,
    blocked_reason text,
    unique (subject, resource, period),
    check (held + spent <= granted),
    check ((closes = 'age') = (span is not null))
) with (fillfactor = 50);

-- Every grant to an account beyond its limit, and every part of one that was taken back.
create table openbell.account_grant (
    id         bigint      generated always as identity primary key,
    account_id bigint      not null references openbell.account (id),
    amount     bigint      not null check (amount <> 0),
    at         timestamptz not null default openbell.now(),
    actor      text        not null,
    reason     text        not null
);

create type openbell.effect as enum ('repeat', 'resend', 'lookup', 'never');
create type openbell.spend_state as enum ('intended', 'sent', 'settled', 'released', 'unknown');

-- The hold and the intent of one outside call, committed before the call is made. Amounts by resource: what was held for
-- it, and what it took. One row for each idempotency key: a call that is made again with its key is the same spend. Once it
-- is `charged`, its money is settled for good. It was intended once, and is tried again whenever its call is made again.
create table openbell.spend (
    id              bigint      generated always as identity primary key,
    job_id          bigint,
    token           bigint,
    product         text        not null,
    key             text        not null,
    provider        text        not null,
    operation       text        not null,
    on_behalf       text,
    effect          openbell.effect not null,
    idempotency_key text,
    resend_until    timestamptz,
    state           openbell.spend_state not null default 'intended',
    intended_at     timestamptz not null,
    tried_at        timestamptz not null,
    sent_at         timestamptz,
    ended_at        timestamptz,
    timeout         interval    not null,
    held            jsonb       not null,
    took            jsonb,
    cost_micro      bigint      not null default 0 check (cost_micro >= 0),
    charged         boolean     not null default false,
    outcome         text,
    provider_ref    text,
    check ((state in ('intended', 'sent')) = (ended_at is null))
);
create index spend_job on openbell.spend (job_id);
create unique index spend_idempotency on openbell.spend (provider, idempotency_key) where idempotency_key is not null;
create index spend_open on openbell.spend (tried_at) where ended_at is null;
create index spend_unknown on openbell.spend (ended_at) where state = 'unknown';
create index spend_intended on openbell.spend using brin (intended_at) with (pages_per_range = 16, autosummarize = on);

-- What the accounts hold of a call: until it has ended, or, where it is unknown what became of it, until that is resolved.
-- Written and removed together with its spend; a foreign key would cost a fifth of a reservation of five.
create table openbell.hold (
    spend_id   bigint not null,
    account_id bigint not null,
    amount     bigint not null check (amount >= 0),
    primary key (spend_id, account_id)
);

-- What an account still counts as held of calls that have ended, until frees_at: the whole span of a sliding window for what
-- was used of it, no time at all for what is given back or charged. Ending a call only adds rows here, so that calls end
-- side by side; whoever reserves next, and holds the account's lock anyway, takes off what is due.
create table openbell.aging (
    id         bigint      generated always as identity primary key,
    account_id bigint      not null,
    frees_at   timestamptz not null,
    amount     bigint      not null check (amount >= 0),
    charged    bigint      not null default 0 check (charged >= 0),
    excess     bigint      not null default 0 check (excess >= 0)
);
create index aging_due on openbell.aging (account_id, frees_at);

-- A provider (operation '') or one of its operations that is left alone. No row: closed, calls may be made. After open_until
-- one call, the probe, finds out; what it finds closes the breaker or opens it for longer.
create table openbell.breaker (
    provider   text        not null,
    operation  text        not null,
    opened_at  timestamptz not null,
    open_until timestamptz not null,
    openings   integer     not null default 1,
    probe      bigint,
    code       text        not null,
    reason     text        not null,
    primary key (provider, operation)
);

-- Calls that failed by the provider's fault or were slow; a window of them opens a breaker.
create table openbell.trouble (
    at       timestamptz not null,
    provider text        not null,
    code     text        not null
);
create index trouble_window on openbell.trouble (provider, at);

create table openbell.audit (
    id     bigint      generated always as identity primary key,
    at     timestamptz not null default openbell.now(),
    actor  text        not null,
    action text        not null,
    target text        not null,
    before jsonb,
    after  jsonb
);
create function openbell.refuse_rewrite() returns trigger language plpgsql as $$
begin
    raise exception 'the audit log is append-only' using errcode = 'OB002';
end $$;
create trigger audit_is_append_only before update or delete on openbell.audit
    for each row execute function openbell.refuse_rewrite();
