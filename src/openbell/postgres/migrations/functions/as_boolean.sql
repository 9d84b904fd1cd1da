-- A value of JSON as a column of this type; null for what is not of that type (an older model may have stored it).
create or replace function openbell.as_boolean(p_value jsonb) returns boolean
    language sql immutable parallel safe
    return case when jsonb_typeof(p_value) = 'boolean' then p_value::boolean end;
