-- phase: expand
--
-- Shadow: a new way runs beside the old one and is compared with it, and nobody sees what it makes.
--
-- A flag goes off ──▶ shadow ──▶ a share ──▶ on, and back. Two kinds of flags know shadow:
--   a challenger's      another producer of a product: `trial` keeps what it made, and how that compares
--   demand-PRODUCT      demand instead of a fixed list: `rehearsal` keeps what demand would have fetched

-- It is replaced by a wider one.
-- squawk-ignore ban-drop-constraint
alter table openbell.flag drop constraint flag_mode_check;
alter table openbell.flag add constraint flag_mode_known check (mode in ('off', 'shadow', 'percent', 'on')) not valid;

-- What must have been seen in shadow before a flag may be widened. Shares are of 1. No row: nothing is asked for.
create table openbell.flag_rule (
    flag           text     primary key references openbell.flag (name) on delete cascade,
    at_least       integer  not null check (at_least >= 0),
    most_different numeric  not null check (most_different between 0 and 1),
    most_failed    numeric  not null check (most_failed between 0 and 1),
    over           interval not null check (over > interval '0')
);

-- Another producer of a product, by the name of its flag; `budget` is what its trials may take a day, by resource. What is
-- not named there may not be spent.
create table openbell.challenge (
    name   text  primary key references openbell.product (name),
    of     text  not null references openbell.product (name),
    budget jsonb not null,
    seeded jsonb not null
);

-- One row a trial: what the challenger made of a key, beside what readers saw at that time.
--   equal      within the tolerance
--   different  a field differs, or is there on one side only
--   missing    the challenger has nothing where readers have something; `extra` is the reverse
--   moved      they differ, and their sources' times too: it says nothing about the challenger
create table openbell.trial (
    id               bigint      generated always as identity primary key,
    challenger       text        not null,
    key              text        not null,
    at               timestamptz not null,
    job_id           bigint      not null,
    producer_version integer     not null,
    live_version     integer     not null,
    verdict          text        not null check (verdict in ('equal', 'different', 'missing', 'extra', 'moved')),
    fields           integer     not null check (fields >= 0),
    differences      jsonb       not null,
    value            jsonb,
    calls            bigint      not null,
    bytes            bigint      not null,
    cost_micro       bigint      not null,
    took_s           double precision not null,
    age_s            double precision,
    live_calls       bigint      not null,
    live_bytes       bigint      not null,
    live_cost_micro  bigint      not null,
    live_took_s      double precision,
    live_age_s       double precision
);
-- squawk-ignore require-concurrent-index-creation
create index trial_of on openbell.trial (challenger, at);

-- What demand would have done for a key of a fixed list, beside the list: when it would have asked, and who would have waited.
create table openbell.rehearsal (
    product     text        not null,
    key         text        not null,
    begun_at    timestamptz not null,
    fresh_until timestamptz not null,
    watched     boolean     not null default false,
    looks       integer     not null default 0,
    waits       integer     not null default 0,
    refreshes   integer     not null default 0,
    last_at     timestamptz,
    primary key (product, key)
);
insert into openbell.duty values ('rehearse', '-infinity');

-- How the old way did before the flag was first moved, for the report that compares.
create table openbell.baseline (
    flag    text             primary key references openbell.flag (name) on delete cascade,
    at      timestamptz      not null,
    hours   double precision not null,
    figures jsonb            not null
);

-- Every process is told of a flag at once; the fixed lists are renewed by whoever beats next.
create function openbell.tell_flag() returns trigger language plpgsql as $$
begin
    update openbell.duty set next_at = '-infinity' where name in ('poll', 'rehearse');
    perform pg_notify('openbell', json_build_array('flag', json_build_array(json_build_array(coalesce(new.name, old.name), '')))::text);
    return null;
end $$;
create trigger flag_is_told after insert or update or delete on openbell.flag
    for each row execute function openbell.tell_flag();

-- Why a provider is paused, in one word that does not change with the words for people.
alter table openbell.account add column blocked_code text;
