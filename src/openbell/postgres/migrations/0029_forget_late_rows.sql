-- phase: expand
--
-- Nothing is written about somebody who has been erased, also by a request that began before: it waits for the erasing
-- to end, and then finds nobody. What was written before is waited for by the erasing, and goes with it.
create function openbell.is_still_there() returns trigger language plpgsql as $$
begin
    if new.person_id is null then
        return new;
    end if;
    perform 1 from openbell.person p where p.id = new.person_id and p.erased_at is null for key share;
    return case when found then new end;
end $$;
create trigger person_is_still_there before insert on openbell.follow
    for each row execute function openbell.is_still_there();
create trigger person_is_still_there before insert on openbell.visit
    for each row execute function openbell.is_still_there();
create trigger person_is_still_there before insert on openbell.link
    for each row execute function openbell.is_still_there();
create trigger person_is_still_there before insert on openbell.api_token
    for each row execute function openbell.is_still_there();
create trigger person_is_still_there before insert on openbell.picks_profile
    for each row execute function openbell.is_still_there();
create trigger person_is_still_there before insert on openbell.forecast_upload
    for each row execute function openbell.is_still_there();
create trigger person_is_still_there before insert on openbell.saved_comparison
    for each row execute function openbell.is_still_there();
