-- Makes the table of a time series, or gives it the columns that are new. A table with another natural key, or whose
-- columns have other types, is set aside under a name with a number, and one is begun anew: nothing is lost or bent.
-- Returns whether the table is a new one. p_before is what it was like, null when that is unknown.
create or replace function openbell.shape_rows(p_product text, p_rows jsonb, p_before jsonb) returns boolean
language plpgsql as $$
declare
    v_name text := replace(p_product, '-', '_') || '_rows';
    v_index text := replace(p_product, '-', '_') || '_key';
    v_there boolean := to_regclass(format('data.%I', v_name)) is not null;
    v_number integer := 1;
    c record;
begin
    if v_there and (p_before is null or p_before -> 'key' <> p_rows -> 'key' or exists (
        select 1 from jsonb_array_elements(p_before -> 'columns') as b, jsonb_array_elements(p_rows -> 'columns') as n
        where b ->> 'name' = n ->> 'name' and b ->> 'kind' <> n ->> 'kind')) then
        while to_regclass(format('data.%I', v_name || '_' || v_number)) is not null loop
            v_number := v_number + 1;
        end loop;
        execute format('alter table data.%I rename to %I', v_name, v_name || '_' || v_number);
        execute format('alter index data.%I rename to %I', v_index, v_index || '_' || v_number);
        v_there := false;
    end if;
    if v_there then
        for c in select e ->> 'name' as name, openbell.type_sql(e ->> 'kind') as kind
            from jsonb_array_elements(p_rows -> 'columns') with ordinality as t (e, n) order by n loop
            execute format('alter table data.%I add column if not exists %I %s', v_name, c.name, c.kind);
        end loop;
    else
        execute format($table$
            create table data.%I (
                key text not null, %s, version integer not null, first_at timestamptz not null, changed_at timestamptz not null,
                gone_at timestamptz, synthetic text, licence text not null)$table$, v_name,
            (select string_agg(format('%I %s', e ->> 'name', openbell.type_sql(e ->> 'kind')), ', ' order by n)
            from jsonb_array_elements(p_rows -> 'columns') with ordinality as t (e, n)));
        execute format('comment on column data.%I.version is ''of the value that brought the row as it is''', v_name);
        execute format('comment on column data.%I.gone_at is ''since when the source no longer returns the row''', v_name);
        execute format('create unique index %I on data.%I (%s) nulls not distinct', v_index, v_name, openbell.natural_key(p_rows));
    end if;
    for c in select e ->> 'name' as name, e ->> 'about' as about from jsonb_array_elements(p_rows -> 'columns') as e where e ->> 'about' is not null loop
        execute format('comment on column data.%I.%I is %L', v_name, c.name, c.about);
    end loop;
    return not v_there;
end $$;
