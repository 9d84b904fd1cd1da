-- A time without a zone, in ISO 8601, as a column; null for what is none.
create or replace function openbell.as_timestamp(p_value jsonb) returns timestamp
    language sql stable parallel safe
    return case when p_value #>> '{}' ~ '^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])T[0-9:.]+$' then (p_value #>> '{}')::timestamp end;
