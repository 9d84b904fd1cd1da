-- Gives a day (of UTC) its own partition of job_history. False when it has one, or when the default partition already
-- holds rows of that day: those stay there. Attaching locks the default partition, for which it waits a moment only.
create or replace function openbell.add_history_day(p_day date) returns boolean
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

select openbell.add_history_day((openbell.now() at time zone 'UTC')::date + n) from generate_series(0, 3) as n;
