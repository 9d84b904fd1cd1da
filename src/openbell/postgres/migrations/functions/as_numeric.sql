-- An exact number, which JSON carries as text, as a column; null for what is none.
create or replace function openbell.as_numeric(p_value jsonb) returns numeric
    language sql immutable parallel safe
    return case when p_value #>> '{}' ~ '^-?[0-9]{1,300}(\.[0-9]+)?$' then (p_value #>> '{}')::numeric end;
