-- Whether a flag is on for a key; one that is missing, off or in shadow is not. In this order: off, deny, on, allow, percent.
create or replace function openbell.is_on(p_flag openbell.flag, p_key text) returns boolean
    language sql immutable parallel safe
    return case
        when p_flag.mode is null or p_flag.mode in ('off', 'shadow') or p_key = any (p_flag.deny) then false
        else p_flag.mode = 'on' or p_key = any (p_flag.allow) or openbell.bucket(p_flag.salt, p_key) < p_flag.share
    end;
