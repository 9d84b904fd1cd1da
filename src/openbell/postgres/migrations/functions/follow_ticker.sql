-- One more ticker for a person: 'added', 'there' already, or 'full'. Counted after the person's lock, so that two requests at
-- once do not pass the limit together; a null limit is none.
create or replace function openbell.follow_ticker(p_person bigint, p_ticker text, p_most integer) returns text
language plpgsql as $$
begin
    perform 1 from openbell.person where id = p_person for no key update;
    if exists (select 1 from openbell.follow f where f.person_id = p_person and f.ticker = p_ticker) then
        return 'there';
    end if;
    if p_most is not null and (select count(*) from openbell.follow f where f.person_id = p_person) >= p_most then
        return 'full';
    end if;
    insert into openbell.follow (person_id, ticker, since) values (p_person, p_ticker, openbell.now());
    return 'added';
end $$;
