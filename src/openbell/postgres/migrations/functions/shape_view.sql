-- Makes the view of a product: a row for each of its keys, with what is known of it and the fields of its current value.
-- A view whose columns have only grown at the end is replaced; any other one is dropped and made anew.
create or replace function openbell.shape_view(p_product text, p_columns jsonb) returns void
language plpgsql as $$
declare
    v_name text := replace(p_product, '-', '_');
    v_fields text;
    v_record text;
    v_body text;
    c record;
begin
    select string_agg(', ' || openbell.column_sql(e ->> 'kind', format('r.%I', e -> 'path' ->> 0), (e -> 'path') - 0, false)
            || format(' as %I', e ->> 'name'), '' order by n),
        (select string_agg(format('%I jsonb', f.field), ', ') from (
            select distinct o -> 'path' ->> 0 as field from jsonb_array_elements(p_columns) as o) as f)
    into v_fields, v_record
    from jsonb_array_elements(p_columns) with ordinality as t (e, n);
    v_body := format($view$
        select a.key,
            case when a.state <> 'value' then a.state::text when c.at < a.fresh_until then 'fresh'
                when c.at < a.stale_until then 'stale' else 'expired' end as state,
            a.version, a.checked_at, a.changed_at, a.source_time, a.fresh_until,
            v.provenance ->> 'synthetic' as synthetic, v.licence%s
        from openbell.artifact a
        cross join (select clock_timestamp() + k.shift as at from openbell.clock k) as c
        left join openbell.version v on v.product = a.product and v.key = a.key and v.version = a.version
        %s
        where a.product = %L$view$,
        coalesce(v_fields, ''),
        case when v_record is not null then
            format('left join lateral jsonb_to_record(case when jsonb_typeof(v.value) = ''object'' then v.value end) as r (%s) on true', v_record)
        end, p_product);
    begin
        execute format('create or replace view data.%I as %s', v_name, v_body);
    exception when invalid_table_definition then
        execute format('drop view data.%I', v_name);
        execute format('create view data.%I as %s', v_name, v_body);
    end;
    for c in select e ->> 'name' as name, e ->> 'about' as about from jsonb_array_elements(p_columns) as e where e ->> 'about' is not null loop
        execute format('comment on column data.%I.%I is %L', v_name, c.name, c.about);
    end loop;
end $$;
