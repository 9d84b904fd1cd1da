-- What `openbell doctor` asks of a migrated database, in one look.
select
    (select value #>> '{}' from openbell.meta where key = 'mode') as mode,
    (select value #>> '{}' from openbell.meta where key = 'environment') as environment,
    (select count(*) from openbell.worker where expires_at > openbell.now() and not draining) as workers,
    (select count(*) from openbell.job) as jobs,
    (select extract(epoch from openbell.now() - min(queued_at))::float8 from openbell.job where state = 'waiting')
        as oldest_waiting_s,
    (select extract(epoch from shift)::float8 from openbell.clock) as shift_s;
