-- Until when what was checked at p_at is fresh. Its time runs while its calendar is open: a value that would end after the
-- close holds until a little after it and is then refreshed once more; after that it holds until the next opening, or a
-- day. A calendar only ever prolongs. Without one, or where its table ends, nothing is known and time runs as if open.
create or replace function openbell.fresh_until(p_calendar text, p_at timestamptz, p_ttl interval) returns timestamptz
language plpgsql stable parallel safe as $$
declare
    v_usual timestamptz := p_at + p_ttl;
    v_early interval;
    v_final timestamptz;
    h record;
begin
    if p_calendar is null then
        return v_usual;
    end if;
    select * into h from openbell.hours_at(p_calendar, p_at);
    if h.closes_at is null or v_usual <= h.closes_at then
        return v_usual;
    end if;
    -- Who looks is refreshed that much before the end (openbell.lead): after the close that is the final refresh already,
    -- and the first one of a session must not come before it.
    v_early := openbell.lead(interval '1 day');
    v_final := h.closes_at + openbell.after_close();
    if p_at < v_final - v_early then
        return greatest(v_usual, least(v_final, h.next_at + v_early));
    end if;
    if h.next_at is null then
        return v_usual;
    end if;
    return greatest(v_usual, least(h.next_at + v_early, p_at + interval '24 hours'));
end $$;
