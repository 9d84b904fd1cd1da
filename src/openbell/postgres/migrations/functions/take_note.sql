-- Takes one of the notes of today for a key, of the person's and of everybody's at once: `taken`; `known` when this key has been asked for
-- already, which counts nothing; `person` or `day` when that limit is reached, and then nothing has changed.
create or replace function openbell.take_note(p_key text, p_person bigint, p_person_max integer, p_day_max integer) returns text
language plpgsql as $$
declare
    v_day date := (openbell.now() at time zone 'UTC')::date;
begin
    insert into openbell.forecast_note (key, person_id, day) values (p_key, p_person, v_day) on conflict (key) do nothing;
    if not found then
        return 'known';
    end if;
    insert into openbell.forecast_note_count as c (day, person_id, used) select v_day, 0, 1 where p_day_max > 0
    on conflict (day, person_id) do update set used = c.used + 1 where c.used < p_day_max;
    if not found then
        delete from openbell.forecast_note n where n.key = p_key;
        return 'day';
    end if;
    insert into openbell.forecast_note_count as c (day, person_id, used) select v_day, p_person, 1 where p_person_max > 0
    on conflict (day, person_id) do update set used = c.used + 1 where c.used < p_person_max;
    if not found then
        update openbell.forecast_note_count c set used = c.used - 1 where c.day = v_day and c.person_id = 0;
        delete from openbell.forecast_note n where n.key = p_key;
        return 'person';
    end if;
    return 'taken';
end $$;
