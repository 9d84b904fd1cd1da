-- 0 to 9999: the place of a key under a salt, from the first four bytes of SHA-256. engine/flags.py computes the same.
create or replace function openbell.bucket(p_salt text, p_key text) returns integer
    language sql immutable strict parallel safe
    return (('x' || encode(substring(sha256(convert_to(p_salt || ':' || p_key, 'UTF8')) from 1 for 4), 'hex'))::bit(32)::bigint) % 10000;
