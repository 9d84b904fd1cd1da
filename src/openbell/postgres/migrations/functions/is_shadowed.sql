-- Whether a flag that is in shadow takes a key in: left out by name never, taken in by name always, else by its share.
create or replace function openbell.is_shadowed(p_flag openbell.flag, p_key text) returns boolean
    language sql immutable parallel safe
    return coalesce(p_flag.mode = 'shadow' and p_key <> all (p_flag.deny)
        and (p_key = any (p_flag.allow) or openbell.bucket(p_flag.salt, p_key) < p_flag.share), false);
