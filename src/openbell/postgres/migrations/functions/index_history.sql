-- One step towards every day of history having the indexes that its table has: makes one that is missing in a part of at
-- most p_most bytes, and answers which; null when none is missing. Of the parts that are larger (p_most null: any) only
-- those of past days are meant, into which nobody writes.
create or replace function openbell.index_history(p_most bigint) returns text
language plpgsql set lock_timeout = '200ms' as $$
declare
    v_today text := 'job_history_' || to_char(openbell.now() at time zone 'UTC', 'YYYYMMDD');
    v_part text;
    v_index text;
    v_text text;
    v_name text;
begin
    select p.relname, i.relname, pg_get_indexdef(i.oid) into v_part, v_index, v_text
    from pg_inherits h
    join pg_class p on p.oid = h.inhrelid
    cross join pg_index x
    join pg_class i on i.oid = x.indexrelid
    where h.inhparent = 'openbell.job_history'::regclass and x.indrelid = 'openbell.job_history'::regclass
        and case when p_most is null then p.relname < v_today or p.relname = 'job_history_default' else pg_relation_size(p.oid) <= p_most end
        and not exists (
            select 1 from pg_inherits c join pg_index own on own.indexrelid = c.inhrelid where c.inhparent = i.oid and own.indrelid = p.oid
        )
    order by p.relname, i.relname limit 1;
    if v_part is null then
        return null;
    end if;
    v_name := v_part || substr(v_index, length('job_history') + 1);
    execute format('create index if not exists %I on openbell.%I %s', v_name, v_part, substr(v_text, position(' USING ' in v_text)));
    execute format('alter index openbell.%I attach partition openbell.%I', v_index, v_name);
    return v_name;
end $$;

-- All of it is one transaction of a minute at most. A day of 40 MB takes two seconds, and there may be thirty: those are left to the historian.
select openbell.index_history(8388608) from generate_series(1, 200);
