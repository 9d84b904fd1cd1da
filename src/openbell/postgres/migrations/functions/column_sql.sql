-- The expression that reads a column out of JSON: from p_root along p_path, names of fields or places in a list. What is
-- not of its type is null in a view, which must show the rest (an older model may have stored it); where rows are kept it
-- is an error, because a check of every value costs more than half of the time that keeping them takes.
create or replace function openbell.column_sql(p_kind text, p_root text, p_path jsonb, p_strict boolean) returns text
language plpgsql immutable as $$
declare
    v text := p_root;
    v_step jsonb;
begin
    for v_step in select e from jsonb_array_elements(p_path) with ordinality as t (e, n) order by n loop
        v := v || ' -> ' || case jsonb_typeof(v_step) when 'number' then v_step::text else quote_literal(v_step #>> '{}') end;
    end loop;
    return case
        when p_kind = 'jsonb' then format('nullif(%s, ''null'')', v)
        when p_kind = 'text' then format('(%s) #>> ''{}''', v)
        when p_strict then format('((%s) #>> ''{}'')::%s', v, openbell.type_sql(p_kind))
        else format('openbell.%I(%s)', 'as_' || p_kind, v)
    end;
end $$;
