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
    if not v_there then
        execute format('create table data.%I (key text not null)', v_name);
    end if;
    for c in select e ->> 'name' as name, replace(e ->> 'kind', 'double', 'double precision') as kind, e ->> 'about' as about
        from jsonb_array_elements(p_rows -> 'columns') with ordinality as t (e, n) order by n loop
        execute format('alter table data.%I add column if not exists %I %s', v_name, c.name, c.kind);
        execute format('comment on column data.%I.%I is %L', v_name, c.name, c.about);
    end loop;
    if not v_there then
        execute format($table$
            alter table data.%1$I
                add column version integer not null, add column first_at timestamptz not null,
                add column changed_at timestamptz not null, add column gone_at timestamptz,
                add column synthetic text, add column licence text not null$table$, v_name);
        execute format('comment on column data.%I.version is ''of the value that brought the row as it is''', v_name);
        execute format('comment on column data.%I.gone_at is ''since when the source no longer returns the row''', v_name);
        execute format('create unique index %I on data.%I (%s) nulls not distinct', v_index, v_name, openbell.natural_key(p_rows));
    end if;
    return not v_there;
end $$;
