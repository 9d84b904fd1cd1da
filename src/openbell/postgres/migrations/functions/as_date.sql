-- A day in ISO 8601 as a column; null for what is none.
create or replace function openbell.as_date(p_value jsonb) returns date
    language sql stable parallel safe
    return case when p_value #>> '{}' ~ '^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])$' then (p_value #>> '{}')::date end;
