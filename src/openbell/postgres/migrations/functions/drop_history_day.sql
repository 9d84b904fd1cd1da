-- One step towards history without the days before p_before: drops one detached day, or else detaches the oldest one.
-- Answers what it did, null when there is nothing left to do. Detaching locks job_history, for which it waits a moment only.
create or replace function openbell.drop_history_day(p_before date) returns text
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
