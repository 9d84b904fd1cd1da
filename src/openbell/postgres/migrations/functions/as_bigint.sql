-- A whole number of JSON as a column; null for what is no number or does not fit.
create or replace function openbell.as_bigint(p_value jsonb) returns bigint
    language sql immutable parallel safe
    return case when jsonb_typeof(p_value) = 'number' then
        case when abs(p_value::numeric) < 9223372036854775807 then p_value::bigint end end;
