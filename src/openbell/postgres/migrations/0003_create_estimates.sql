-- phase: expand
--
-- What calls take, learnt from those that have ended, and how far the learning has come.

-- One row for each resource of an operation that a product asks for.
--   average   the moving average of what a call took, in units of the resource
--   samples   how many calls it was learnt from
--   alert_*   the last call that took more than twice what was expected, and how many there were
create table openbell.estimate (
    product        text             not null,
    provider       text             not null,
    operation      text             not null,
    resource       text             not null,
    average        double precision not null check (average >= 0),
    samples        bigint           not null check (samples >= 0),
    changed_at     timestamptz      not null,
    alerts         bigint           not null default 0,
    alert_at       timestamptz,
    alert_spend    bigint,
    alert_took     bigint,
    alert_expected bigint,
    primary key (product, provider, operation, resource),
    check ((alerts = 0) = (alert_at is null))
);

-- The last spend that was learnt from, in the order in which spends ended. What was there before is not learnt from.
create table openbell.estimated (
    single   boolean     primary key default true check (single),
    ended_at timestamptz not null,
    spend_id bigint      not null
);
insert into openbell.estimated (ended_at, spend_id) values (openbell.now(), 0);

-- Small: spends end in about the order in which they lie.
-- squawk-ignore require-concurrent-index-creation
create index spend_ended on openbell.spend using brin (ended_at) with (pages_per_range = 16, autosummarize = on);

-- The few calls that are paid for, apart from the many that are not.
-- squawk-ignore require-concurrent-index-creation
create index spend_paid on openbell.spend (intended_at) where held ?| array['usd_micro', 'credits'];
