-- The natural key of a series as columns of an index: what has a fixed size first, then one mark of all texts.
create or replace function openbell.natural_key(p_rows jsonb) returns text
language sql stable as $$
    select concat_ws(', ', 'key',
        string_agg(quote_ident(e ->> 'name'), ', ' order by k.n) filter (where e ->> 'kind' <> 'text'),
        'openbell.mark_of(array[' || string_agg(quote_ident(e ->> 'name'), ', ' order by k.n) filter (where e ->> 'kind' = 'text') || '])')
    from jsonb_array_elements_text(p_rows -> 'key') with ordinality as k (name, n)
    join jsonb_array_elements(p_rows -> 'columns') as e on e ->> 'name' = k.name
$$;
