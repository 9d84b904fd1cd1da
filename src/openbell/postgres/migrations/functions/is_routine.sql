-- Whether a source of demand is a list, a schedule or prefetching: nobody waits for what it wants.
create or replace function openbell.is_routine(p_source text)
returns boolean
language sql immutable as $$
    select p_source in ('poll', 'prefetch') or p_source like 'schedule:%'
$$;
