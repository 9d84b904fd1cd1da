-- A value of JSON as a column of this type; null for what is not of that type (an older model may have stored it).
create or replace function openbell.as_double(p_value jsonb) returns double precision
    language sql immutable parallel safe
    return case when jsonb_typeof(p_value) = 'number' then p_value::double precision end;
