-- Brings the view of a product, and the table of its series, into the shape that its model has. One at a time: whoever
-- comes second finds it done. A reader that holds on to the old view is not waited for longer than a moment.
create or replace function openbell.shape_product(p_product text, p_shape jsonb) returns boolean
language plpgsql set lock_timeout = '2s' set client_min_messages = 'warning' as $$
declare
    v_before openbell.shape;
    v_view text := format('data.%I', replace(p_product, '-', '_'));
    v_table text := format('data.%I', replace(p_product, '-', '_') || '_rows');
    v_keeper text;
    v_new boolean := false;
begin
    perform pg_advisory_xact_lock(hashtextextended('openbell.shape', 0));
    select * into v_before from openbell.shape s where s.product = p_product;
    if v_before.shape = p_shape and to_regclass(v_view) is not null and (v_before.keeper is null or to_regclass(v_table) is not null) then
        return false;
    end if;
    perform openbell.shape_view(p_product, p_shape -> 'columns');
    if p_shape -> 'rows' <> 'null' then
        v_new := openbell.shape_rows(p_product, p_shape -> 'rows', nullif(v_before.shape -> 'rows', 'null'));
        v_keeper := openbell.shape_keeper(p_product, p_shape -> 'rows');
    end if;
    insert into openbell.shape as s (product, shape, keeper, filled_to)
    values (p_product, p_shape, v_keeper, case when v_new then '' end)
    on conflict (product) do update
    set shape = excluded.shape, keeper = excluded.keeper, made_at = openbell.now(), trouble = null, trouble_at = null,
        filled_to = case when v_keeper is not null then coalesce(excluded.filled_to, s.filled_to) end;
    return true;
end $$;
