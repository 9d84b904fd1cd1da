-- phase: expand
--
-- Notes on comparisons that a model writes. Somebody asks once for the data of a forecast; it is counted before anything
-- is spent, for the day of the whole instance and for the person, so that neither passes its limit (openbell.take_note).

create table openbell.forecast_note (
    key       text        primary key,
    person_id bigint      not null references openbell.person (id) on delete cascade,
    day       date        not null,
    asked_at  timestamptz
);
-- squawk-ignore require-concurrent-index-creation
create index forecast_note_person on openbell.forecast_note (person_id);

-- How many were asked for on a day: by everybody (person_id 0), and by each person.
create table openbell.forecast_note_count (
    day       date    not null,
    person_id bigint  not null,
    used      integer not null check (used >= 0),
    primary key (day, person_id)
);
