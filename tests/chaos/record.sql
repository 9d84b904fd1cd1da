-- The record of a chaos run, kept by the database itself: one row for each thing that happened to a job, written in the
-- very transaction in which it happened, so that a crash keeps both or neither. Nothing here is part of the engine.
create schema chaos;

create table chaos.event (
    seq     bigint      generated always as identity primary key,
    at      timestamptz not null default clock_timestamp(),
    kind    text        not null,
    job     bigint,
    product text,
    key     text,
    token   bigint,
    worker  bigint,
    word    text,
    wrong   boolean     not null default false
);

-- accepted · claimed · stolen (a token replaced by another without having been given up) · freed (word: why) · ended
create function chaos.note_job() returns trigger language plpgsql as $$
declare
    v_why text;
begin
    if tg_op = 'INSERT' then
        insert into chaos.event (kind, job, product, key, wrong)
        select 'accepted', new.id, new.product, new.key,
            exists (select 1 from openbell.job j where j.product = new.product and j.key = new.key and j.id <> new.id);
    elsif tg_op = 'DELETE' then
        insert into chaos.event (kind, job, product, key, token, worker)
        values ('ended', old.id, old.product, old.key, old.token, old.worker);
    elsif old.token is null then
        insert into chaos.event (kind, job, product, key, token, worker)
        values ('claimed', new.id, new.product, new.key, new.token, new.worker);
    elsif new.token is not null then
        insert into chaos.event (kind, job, product, key, token, worker)
        values ('stolen', new.id, new.product, new.key, new.token, new.worker);
    else
        v_why := case when jsonb_array_length(new.trail) > coalesce(jsonb_array_length(old.trail), 0)
            then new.trail -> -1 ->> 'code' else 'handed back' end;
        insert into chaos.event (kind, job, product, key, token, worker, word, wrong)
        values ('freed', new.id, new.product, new.key, old.token, old.worker, v_why, v_why = 'process_gone' and chaos.is_alive(old.worker));
    end if;
    return null;
end $$;

-- Whether a worker's lease is in force, and was before this transaction began: a beat that came in between is no proof.
create function chaos.is_alive(p_worker bigint) returns boolean
language sql stable as $$
    select exists (
        select 1 from openbell.worker w
        where w.id = p_worker and w.expires_at > openbell.now()
            and w.beat_at < transaction_timestamp() + (select shift from openbell.clock) - interval '0.3 seconds')
$$;

create trigger chaos_new after insert or delete on openbell.job for each row execute function chaos.note_job();
create trigger chaos_token after update on openbell.job for each row
    when (old.token is distinct from new.token) execute function chaos.note_job();

-- saved: a step's memo; wrong when its token does not hold the job at that moment.
create function chaos.note_step() returns trigger language plpgsql as $$
begin
    insert into chaos.event (kind, job, token, word, wrong)
    values ('saved', new.job_id, new.token, new.name,
        not exists (select 1 from openbell.job j where j.id = new.job_id and j.token = new.token));
    return null;
end $$;
create trigger chaos_step after insert on openbell.step for each row execute function chaos.note_step();

-- published: a version; wrong when the attempt that made the value does not hold the job at that moment.
create function chaos.note_version() returns trigger language plpgsql as $$
begin
    insert into chaos.event (kind, job, product, key, token, word, wrong)
    values ('published', new.job_id, new.product, new.key, (new.value ->> 'token')::bigint, new.version::text,
        not exists (select 1 from openbell.job j where j.id = new.job_id and j.token = (new.value ->> 'token')::bigint));
    return null;
end $$;
create trigger chaos_version after insert on openbell.version for each row execute function chaos.note_version();

-- hired: a worker's lease; word is its name, which says which process it is.
create function chaos.note_worker() returns trigger language plpgsql as $$
begin
    insert into chaos.event (kind, worker, word) values ('hired', new.id, new.name);
    return null;
end $$;
create trigger chaos_worker after insert on openbell.worker for each row execute function chaos.note_worker();
