-- phase: expand
--
-- What an operator is told of, what was told, backups, and the figures of the whole as one view.
--
--   rules ──▶ alert (pending ▶ firing ▶ cleared) ──▶ notice (one an event and channel: mail, webhook)
--
-- An alert fires once it has held for the time of its rule, and is cleared once it has been away for a while, so that what
-- comes and goes is told of once.

--   about      what it is about: a product, an account, a schedule; '' for the whole
--   first_at   since when it holds; seen_at when it was found last
create table openbell.alert (
    id        bigint           generated always as identity primary key,
    code      text             not null check (code ~ '^[a-z][a-z0-9_]{0,39}$'),
    about     text             not null,
    level     text             not null check (level in ('warn', 'critical')),
    message   text             not null,
    mend      text             not null,
    figure    double precision not null,
    state     text             not null check (state in ('pending', 'firing', 'cleared')),
    first_at  timestamptz      not null,
    seen_at   timestamptz      not null,
    fired_at  timestamptz,
    cleared_at timestamptz,
    acknowledged_at timestamptz,
    acknowledged_by text,
    check ((state = 'pending') = (fired_at is null)),
    check ((state = 'cleared') = (cleared_at is not null))
);
-- squawk-ignore require-concurrent-index-creation
create unique index alert_open on openbell.alert (code, about) where state <> 'cleared';
-- squawk-ignore require-concurrent-index-creation
create index alert_cleared on openbell.alert (cleared_at) where state = 'cleared';

-- Of what nobody is to be told for a time; '' stands for every one of the kind.
create table openbell.alert_silence (
    id     bigint      generated always as identity primary key,
    code   text        not null,
    about  text        not null default '',
    until  timestamptz not null,
    actor  text        not null,
    reason text        not null check (length(reason) between 1 and 300),
    at     timestamptz not null default openbell.now()
);

-- What is to be told, and what came of telling it.
create table openbell.alert_notice (
    id       bigint      generated always as identity primary key,
    alert_id bigint      not null references openbell.alert (id) on delete cascade,
    event    text        not null check (event in ('fired', 'cleared')),
    channel  text        not null check (channel in ('mail', 'webhook')),
    state    text        not null default 'ready' check (state in ('ready', 'told', 'silenced', 'failed')),
    tries    integer     not null default 0,
    next_at  timestamptz not null,
    told_at  timestamptz,
    note     text        not null default '',
    unique (alert_id, event, channel)
);
-- squawk-ignore require-concurrent-index-creation
create index alert_notice_ready on openbell.alert_notice (next_at) where state = 'ready';

insert into openbell.duty values ('alerts', '-infinity');

-- Backups and restores that were made of, or into, this database; the file's own header is the truth about the file.
create table openbell.backup (
    id       bigint      generated always as identity primary key,
    act      text        not null check (act in ('backup', 'restore')),
    at       timestamptz not null default openbell.now(),
    file     text        not null,
    bytes    bigint      not null check (bytes >= 0),
    checksum text        not null,
    took_s   double precision not null,
    actor    text        not null,
    about    jsonb       not null default '{}'
);
-- squawk-ignore require-concurrent-index-creation
create index backup_latest on openbell.backup (act, at desc);

-- The figures of the whole, right with any number of processes: /metrics, /health and the alerts read the same ones.
-- Labels are names of the registry, states and providers: their number is bounded, and no person is among them.
create view openbell.metric as
with clock as materialized (select openbell.now() as t),
jobs as (
    select j.job_class, j.state::text as state, count(*) as jobs, extract(epoch from max(clock.t - j.queued_at))::float8 as oldest_s
    from openbell.job j cross join clock group by j.job_class, j.state
),
wanted as (
    select p.name as product, count(d.key) as wanted, count(d.key) filter (where a.fresh_until > clock.t) as fresh,
        count(d.key) filter (where a.key is null) as missing,
        coalesce(extract(epoch from max(clock.t - a.fresh_until) filter (where a.fresh_until <= clock.t)), 0)::float8 as oldest_due_s
    from openbell.product p cross join clock
    left join (select distinct product, key from openbell.demand cross join clock where expires_at > clock.t) d on d.product = p.name
    left join openbell.artifact a on a.product = d.product and a.key = d.key
    where p.kind = 'artifact' group by p.name
),
ended as (
    select h.product, h.outcome::text as outcome, count(*) as jobs
    from openbell.job_history h cross join clock where h.finished_at > clock.t - interval '1 hour' group by h.product, h.outcome
),
paid as (
    select s.provider, s.state::text as state, count(*) as calls, sum(s.cost_micro)::float8 / 1000000 as dollars
    from openbell.spend s cross join clock where s.intended_at > clock.t - interval '1 day' group by s.provider, s.state
),
used as (
    select coalesce(a.key_of, a.subject) as provider, a.resource,
        max((a.held + a.spent + a.overrun)::float8 / nullif(a.granted, 0)) as share
    from openbell.account a cross join clock
    where coalesce(a.key_of, a.subject) in (select provider from openbell.product) and (a.ends_at is null or a.ends_at > clock.t)
    group by 1, 2
)
select 'openbell_jobs'::text as name, jsonb_build_object('class', job_class::text, 'state', state) as labels, jobs::float8 as value from jobs
union all select 'openbell_oldest_job_seconds', jsonb_build_object('class', job_class::text, 'state', state), oldest_s from jobs
union all select 'openbell_wanted_keys', jsonb_build_object('product', product), wanted from wanted
union all select 'openbell_fresh_keys', jsonb_build_object('product', product), fresh from wanted
union all select 'openbell_missing_keys', jsonb_build_object('product', product), missing from wanted
union all select 'openbell_oldest_due_seconds', jsonb_build_object('product', product), oldest_due_s from wanted
union all select 'openbell_finished_jobs_last_hour', jsonb_build_object('product', product, 'outcome', outcome), jobs from ended
union all select 'openbell_calls_last_day', jsonb_build_object('provider', provider, 'state', state), calls from paid
union all select 'openbell_dollars_last_day', jsonb_build_object('provider', provider), sum(dollars) from paid group by provider
union all select 'openbell_account_used_ratio', jsonb_build_object('provider', provider, 'resource', resource), share from used where share is not null
union all select 'openbell_unknown_spends', '{}', count(*) from openbell.spend where state = 'unknown' and effect <> 'repeat'
union all select 'openbell_breaker_open', jsonb_build_object('provider', b.provider, 'operation', b.operation), 1 from openbell.breaker b
union all select 'openbell_workers', jsonb_build_object('state', case when w.draining then 'draining' else 'running' end), count(*)
    from openbell.worker w cross join clock where w.expires_at > clock.t and not w.gone group by w.draining
union all select 'openbell_slots', '{}', coalesce(sum(w.slots), 0) from openbell.worker w cross join clock where w.expires_at > clock.t and not w.draining
union all select 'openbell_worker_events', jsonb_build_object('event', c.key), sum(c.value::float8)
    from openbell.worker w cross join clock, jsonb_each_text(w.counters) c where w.expires_at > clock.t group by c.key
union all select 'openbell_schedule_last_success_timestamp_seconds', jsonb_build_object('schedule', s.name), extract(epoch from s.last_success_at)::float8
    from openbell.schedule s where s.last_success_at is not null
union all select 'openbell_deliveries', jsonb_build_object('state', d.state), count(*)
    from openbell.delivery d where d.state in ('ready', 'held') or d.state in ('unknown', 'failed') and d.state_at > openbell.now() - interval '7 days'
    group by d.state
union all select 'openbell_alerts_firing', jsonb_build_object('code', a.code), count(*) from openbell.alert a where a.state = 'firing' group by a.code
union all select 'openbell_last_backup_timestamp_seconds', '{}', extract(epoch from max(b.at))::float8 from openbell.backup b where b.act = 'backup' having count(*) > 0;

-- After a restore, what is queued for a time before it may have been sent since the backup: it waits for an operator.
create function openbell.hold_doubtful_mail() returns trigger language plpgsql as $$
declare
    v_restored jsonb := (select m.value from openbell.meta m where m.key = 'restored');
begin
    if v_restored is not null and new.send_at < (v_restored ->> 'at')::timestamptz then
        new.state := 'held';
        new.note := 'it was due before the database was restored; it may have been sent';
    end if;
    return new;
end $$;
create trigger doubtful_mail_is_held before insert on openbell.delivery
    for each row when (new.state = 'ready') execute function openbell.hold_doubtful_mail();

-- Whoever is erased has no series, comparisons or notes of their own, and no answer that was read and did not pass. What
-- else there is of them goes with openbell.people, and picks with forget_picks.
create function openbell.forget_rest() returns trigger language plpgsql as $$
begin
    delete from openbell.forecast_upload u where u.person_id = new.id;
    delete from openbell.saved_comparison c where c.person_id = new.id;
    delete from openbell.forecast_note n where n.person_id = new.id;
    delete from openbell.rejected r where r.key like new.id || '|%';
    delete from openbell.forecast_knock k where k.who like '%person ' || new.id;
    return null;
end $$;
create trigger forget_rest after update of erased_at on openbell.person
    for each row when (new.erased_at is not null) execute function openbell.forget_rest();
