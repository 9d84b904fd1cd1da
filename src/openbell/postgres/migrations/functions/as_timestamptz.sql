-- A time in ISO 8601 as a column; null for what is none. Without a zone it counts as UTC, whatever the session's zone is.
create or replace function openbell.as_timestamptz(p_value jsonb) returns timestamptz
    language sql stable parallel safe
    return case
        when p_value #>> '{}' ~ '^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])T[0-9:.]+(Z|[+-][0-9:]+)$' then (p_value #>> '{}')::timestamptz
        when p_value #>> '{}' ~ '^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])T[0-9:.]+$' then ((p_value #>> '{}') || 'Z')::timestamptz
    end;
