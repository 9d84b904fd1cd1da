-- Whether a provider with several keys has one that may be asked now. Without several, there is none. Its cost lets it be asked
-- last, when an account is paused: hardly ever.
create or replace function openbell.has_open_key(p_provider text, p_now timestamptz) returns boolean
language sql stable parallel safe cost 1000 as $$
    select exists (
        select 1 from openbell.account a where a.key_of = p_provider
        group by a.subject having not bool_or(coalesce(a.blocked_until > p_now, false)))
$$;
