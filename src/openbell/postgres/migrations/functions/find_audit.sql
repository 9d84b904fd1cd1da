-- A page of the audit log, newest first, by what is asked for; null asks for nothing. A text that ends in * asks for what begins so.
-- Written for what is asked for each time, so that an index serves each combination however long the log is: a plan for all of
-- them would read the whole log. A page begins below the time and id at which the one before ended.
create or replace function openbell.find_audit(
    p_actor text, p_action text, p_target text, p_from timestamptz, p_to timestamptz, p_before timestamptz, p_below bigint, p_limit integer
) returns setof openbell.audit
language plpgsql stable set enable_bitmapscan = off as $$
declare
    v_where text := '';
    r record;
begin
    for r in select * from (values ('actor', p_actor, '$1'), ('action', p_action, '$2'), ('target', p_target, '$3')) v (col, asked, place) loop
        if r.asked like '%*' then
            v_where := v_where || format(' and a.%I like %L', r.col,
                regexp_replace(left(r.asked, -1), '([\\%_])', '\\\1', 'g') || '%');
        elsif r.asked is not null then
            v_where := v_where || format(' and a.%I = %s', r.col, r.place);
        end if;
    end loop;
    if p_from is not null then
        v_where := v_where || ' and a.at >= $4';
    end if;
    if p_to is not null then
        v_where := v_where || ' and a.at < $5';
    end if;
    if p_before is not null then
        v_where := v_where || ' and (a.at, a.id) < ($6, $7)';
    end if;
    return query execute 'select a.* from openbell.audit a where true' || v_where || ' order by a.at desc, a.id desc limit $8'
        using p_actor, p_action, p_target, p_from, p_to, p_before, p_below, p_limit;
end $$;
