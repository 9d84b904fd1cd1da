-- Empties every table that is not to be kept, and forgets everybody but the admins. A database that is not known to be
-- another than production is never wiped, whatever the process that asks believes. Returns how many tables were emptied.
create or replace function openbell.wipe_data(p_keep text[]) returns integer language plpgsql as $$
declare
    v_names text[];
begin
    if coalesce((select value #>> '{}' from openbell.meta where key = 'environment'), 'production') = 'production' then
        raise exception 'this database is a production, or not stamped: it is not wiped' using errcode = 'OB019';
    end if;
    select array_agg(format('%I.%I', n.nspname, c.relname) order by n.nspname, c.relname) into v_names
    from pg_class c
    join pg_namespace n on n.oid = c.relnamespace
    where c.relkind in ('r', 'p') and not c.relispartition
        and (n.nspname = 'data' or (n.nspname = 'openbell' and c.relname <> all (p_keep)));
    execute 'truncate ' || array_to_string(v_names, ', ');
    delete from openbell.visit where person_id in (select id from openbell.person where role <> 'admin');
    delete from openbell.api_token where person_id in (select id from openbell.person where role <> 'admin');
    delete from openbell.person where role <> 'admin';
    return cardinality(v_names);
end $$;
