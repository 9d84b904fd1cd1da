-- Makes the function that takes the rows of a version into the table of its series. What is there already, equal, is not
-- written; what is no longer said keeps its last figures and is marked with the time. Returns the function's name.
create or replace function openbell.shape_keeper(p_product text, p_rows jsonb) returns text
language plpgsql as $$
declare
    v_keeper text := 'keep_' || replace(p_product, '-', '_');
    v_cols text;
    v_exprs text;
    v_set text;
    v_match text;
    v_there text;
begin
    select string_agg(quote_ident(e ->> 'name'), ', ' order by n),
        string_agg(openbell.column_sql(e ->> 'kind', 'e.item', e -> 'path', true) || format(' as %I', e ->> 'name'), ', ' order by n),
        string_agg(format('%1$I = excluded.%1$I', e ->> 'name'), ', ' order by n)
    into v_cols, v_exprs, v_set
    from jsonb_array_elements(p_rows -> 'columns') with ordinality as t (e, n);
    select string_agg(format(case when (e ->> 'nullable')::boolean then 's.%1$I is not distinct from t.%1$I' else 's.%1$I = t.%1$I' end, k.name), ' and ' order by k.n),
        string_agg(format('s.%I is not null', k.name), ' and ' order by k.n) filter (where not (e ->> 'nullable')::boolean)
    into v_match, v_there
    from jsonb_array_elements_text(p_rows -> 'key') with ordinality as k (name, n)
    join jsonb_array_elements(p_rows -> 'columns') as e on e ->> 'name' = k.name;
    -- A key has a thousand rows and the planner knows of none: joined in nested loops they would be a million pairs.
    execute format($function$
        create or replace function openbell.%1$I(p_key text, p_version integer) returns void
        language plpgsql set enable_nestloop = off set enable_seqscan = off set timezone = 'UTC' set plan_cache_mode = force_generic_plan as $keeper$
        declare
            v_rows jsonb;
            v_at timestamptz;
            v_synthetic text;
            v_licence text;
        begin
            select o.value -> %2$L, o.created_at, o.provenance ->> 'synthetic', o.licence into v_rows, v_at, v_synthetic, v_licence
            from openbell.version o where o.product = %3$L and o.key = p_key and o.version = p_version;
            if jsonb_typeof(v_rows) is distinct from 'array' then
                return;
            end if;
            with said as materialized (
                select %4$s from jsonb_array_elements(v_rows) as e (item)
            ), gone as (
                update data.%5$I as t set gone_at = v_at
                where t.key = p_key and t.gone_at is null and not exists (select 1 from said s where %6$s)
            ), news as (
                select %7$s from said s where %8$s
                except
                select %7$s from data.%5$I t where t.key = p_key and t.gone_at is null
            )
            insert into data.%5$I as t (key, %7$s, version, first_at, changed_at, synthetic, licence)
            select p_key, n.*, p_version, v_at, v_at, v_synthetic, v_licence
            from (select distinct on (%9$s) * from news) as n
            on conflict (%10$s) do update
            set %11$s, version = excluded.version, changed_at = excluded.changed_at, gone_at = null,
                synthetic = excluded.synthetic, licence = excluded.licence;
        end $keeper$ $function$,
        v_keeper, p_rows ->> 'field', p_product, v_exprs, replace(p_product, '-', '_') || '_rows', v_match, v_cols, v_there,
        (select string_agg(quote_ident(k), ', ') from jsonb_array_elements_text(p_rows -> 'key') as k),
        openbell.natural_key(p_rows), v_set);
    return v_keeper;
end $$;
