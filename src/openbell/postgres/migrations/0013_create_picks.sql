-- phase: expand
--
-- Weekly picks: an edition a person and week, or one for everybody.
--
--   profile ──▶ slot (who, which week, how far) ──▶ answer (what was paid for, as it came) ──▶ edition (what is shown)
--
-- How far it is and what is shown are different tables: no change of a status can touch an edition. An edition is called
-- `42|2026-11-23` (the person's id and the Monday), `all|2026-11-23` (everybody's), `figures|2026-11-23` (without a model).

-- That the operator says they may give personal picks, and who says so. The latest row holds.
create table openbell.picks_attestation (
    id    bigint      generated always as identity primary key,
    name  text        not null check (length(name) between 2 and 200),
    given boolean     not null,
    words text        not null,
    at    timestamptz not null default openbell.now()
);

-- What somebody told about themselves, normalised; only words of our lists but for the symbols they hold.
create table openbell.picks_profile (
    person_id  bigint      primary key references openbell.person (id) on delete cascade,
    profile    jsonb       not null,
    personal   boolean     not null default false,
    by_mail    boolean     not null default false,
    changed_at timestamptz not null default openbell.now()
);

-- One a person and week, whoever asks: who inserts the row has the work done.
--   batch     which batch of the weekly run asks for it; null when it is asked for alone
--   failures  attempts that ended with an error since it was last queued
create table openbell.picks_slot (
    edition   text        primary key,
    person_id bigint      references openbell.person (id) on delete cascade,
    week      date        not null check (extract(isodow from week) = 1),
    reason    text        not null check (reason in ('new_user', 'new_week', 'error_recovery', 'manual_trigger')),
    status    text        not null default 'pending' check (status in (
        'pending', 'started', 'processing', 'sent_to_provider', 'parsing_response', 'complete', 'error')),
    batch     integer,
    job_id    bigint,
    failures  integer     not null default 0,
    code      text,
    message   text,
    queued_at timestamptz not null default openbell.now(),
    status_at timestamptz not null default openbell.now()
);
-- squawk-ignore require-concurrent-index-creation
create unique index picks_slot_person on openbell.picks_slot (person_id, week) where person_id is not null;
-- squawk-ignore require-concurrent-index-creation
create index picks_slot_batch on openbell.picks_slot (week, batch);

-- What a provider answered, as it came, before anybody reads it. `given_up` when an operator lets it be asked for again.
create table openbell.picks_answer (
    edition       text        not null references openbell.picks_slot (edition) on delete cascade,
    number        integer     not null check (number >= 1),
    provider      text        not null,
    model         text,
    effort        text,
    prompt        text        not null,
    ref           text,
    answer        jsonb       not null,
    failure       text,
    cost_micro    bigint,
    input_tokens  bigint      not null default 0,
    output_tokens bigint      not null default 0,
    asked_at      timestamptz not null,
    answered_at   timestamptz not null default openbell.now(),
    given_up      boolean     not null default false,
    primary key (edition, number)
);

-- What is shown. Written once, and never again.
create table openbell.picks_edition (
    edition   text        primary key,
    person_id bigint      references openbell.person (id) on delete cascade,
    week      date        not null check (extract(isodow from week) = 1),
    kind      text        not null check (kind in ('personal', 'impersonal', 'figures', 'imported')),
    content   jsonb       not null,
    made      jsonb       not null,
    made_at   timestamptz not null default openbell.now()
);
-- squawk-ignore require-concurrent-index-creation
create index picks_edition_person on openbell.picks_edition (person_id, week desc);
-- squawk-ignore require-concurrent-index-creation
create index picks_edition_week on openbell.picks_edition (week desc) where person_id is null;

-- What was known of each company when the editions of a week were made: name, exchange, sector and the figures.
create table openbell.picks_fact (
    week   date  not null,
    ticker text  not null,
    fact   jsonb not null,
    primary key (week, ticker)
);

-- Whoever leaves or is blocked waits for no picks; whoever is erased has none, and told nothing.
create function openbell.forget_picks() returns trigger
language plpgsql as $$
begin
    if new.state in ('left', 'blocked') or new.erased_at is not null then
        perform openbell.cancel_job(j.id, 'picks of person ' || new.id || ' are not wanted')
        from openbell.picks_slot s
        join openbell.job j on j.product = 'picks-edition' and j.key = s.edition
        where s.person_id = new.id and s.status not in ('complete', 'error');
    end if;
    if new.erased_at is not null then
        delete from openbell.picks_slot s where s.person_id = new.id;
        delete from openbell.picks_edition e where e.person_id = new.id;
        delete from openbell.picks_profile p where p.person_id = new.id;
    end if;
    return null;
end $$;
create trigger forget_picks after update of state, erased_at on openbell.person
    for each row execute function openbell.forget_picks();
