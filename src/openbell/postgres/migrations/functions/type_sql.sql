-- The type of a column as SQL writes it.
create or replace function openbell.type_sql(p_kind text) returns text
    language sql immutable parallel safe
    return case p_kind when 'double' then 'double precision' else p_kind end;
