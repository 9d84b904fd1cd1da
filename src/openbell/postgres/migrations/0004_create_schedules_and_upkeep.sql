-- phase: expand
--
-- Schedules and their occurrences, depth over time, the giving-up of work that waited too long, and the daily partitions
-- of job_history.

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

-- Ends jobs that have waited longer than their product has patience.
create function openbell.expire_jobs(p_limit integer) returns table (job_id bigint, product text, key text)
language plpgsql as $$
declare
    r record;
    v_now timestamptz := openbell.now();
    v_before timestamptz := v_now - (select min(p.patience) from openbell.product p);
    v_message text;
begin
    for r in
        select j as job, p.patience, p.retry_ttl
        from openbell.job j
        join openbell.product p on p.name = j.product
        where j.token is null and j.queued_at <= v_before and j.queued_at <= v_now - p.patience
        order by j.id limit p_limit for update of j skip locked
    loop
        v_message := 'given up after waiting for ' || r.patience || coalesce(': ' || (r.job).reason, '');
        insert into openbell.cooldown as c (product, key, code, message, at, retry_at, job_id)
        values ((r.job).product, (r.job).key, 'expired', v_message, v_now, v_now + r.retry_ttl, (r.job).id)
        on conflict on constraint cooldown_pkey do update
        set code = excluded.code, message = excluded.message, at = excluded.at, retry_at = excluded.retry_at,
            job_id = excluded.job_id, failures = c.failures + 1;
        perform openbell.finish(r.job, 'expired', null, 'expired', v_message);
        return query select (r.job).id, (r.job).product, (r.job).key;
    end loop;
end $$;

-- Gives a day (of UTC) its own partition of job_history. False when it has one, or when the default partition already
-- holds rows of that day: those stay there. Attaching locks the default partition, for which it waits a moment only.
create function openbell.add_history_day(p_day date) returns boolean
language plpgsql set lock_timeout = '200ms' as $$
declare
    v_name text := 'job_history_' || to_char(p_day, 'YYYYMMDD');
    v_from timestamptz := p_day::timestamp at time zone 'UTC';
    v_to timestamptz := (p_day + 1)::timestamp at time zone 'UTC';
begin
    if to_regclass('openbell.' || v_name) is not null
        or exists (select 1 from openbell.job_history_default h where h.finished_at >= v_from and h.finished_at < v_to) then
        return false;
    end if;
    execute format('create table openbell.%I (like openbell.job_history including all)', v_name);
    execute format('alter table openbell.job_history attach partition openbell.%I for values from (%L) to (%L)', v_name, v_from, v_to);
    return true;
end $$;

-- One step towards history without the days before p_before: drops one detached day, or else detaches the oldest one.
-- Answers what it did, null when there is nothing left to do. Detaching locks job_history, for which it waits a moment only.
create function openbell.drop_history_day(p_before date) returns text
language plpgsql set lock_timeout = '200ms' as $$
declare
    v_last text := 'job_history_' || to_char(p_before, 'YYYYMMDD');
    v_name text;
    v_attached boolean;
begin
    select c.relname, c.relispartition into v_name, v_attached
    from pg_class c
    where c.relnamespace = 'openbell'::regnamespace and c.relkind = 'r'
        and c.relname ~ '^job_history_[0-9]{8}$' and c.relname < v_last
    order by c.relispartition, c.relname limit 1;
    if v_name is null then
        return null;
    elsif v_attached then
        execute format('alter table openbell.job_history detach partition openbell.%I', v_name);
        return 'detached ' || v_name;
    else
        execute format('drop table openbell.%I', v_name);
        return 'dropped ' || v_name;
    end if;
end $$;

select openbell.add_history_day((openbell.now() at time zone 'UTC')::date + n) from generate_series(0, 3) as n;
