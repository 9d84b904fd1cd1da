-- phase: expand
--
-- When it is worth asking: opening hours. The engine knows no market; a calendar is a name that values carry.

-- Lets the constraint below compare names by equality and times by overlap, without an extension.
create type openbell.name_range as range (subtype = text, collation = "C");

-- One row for each stretch of opening hours; a day with a break has two.
--   day                the day it belongs to, as the calendar's own people name it
--   closes_at          what holds; an operator who closes a day moves it forward, to opens_at for the whole of it
--   planned_closes_at  what was computed, and holds again when the operator reopens the day
create table openbell.session (
    calendar          text        not null check (length(calendar) between 1 and 32),
    day               date        not null,
    opens_at          timestamptz not null,
    closes_at         timestamptz not null,
    planned_closes_at timestamptz not null check (planned_closes_at > opens_at),
    source            text        not null generated always as (
        case when closes_at = planned_closes_at then 'computed' else 'manual' end
    ) stored,
    primary key (calendar, opens_at),
    check (closes_at between opens_at and planned_closes_at),
    exclude using gist (openbell.name_range(calendar, calendar, '[]') with &&, tstzrange(opens_at, planned_closes_at) with &&)
);

-- How long after the close what was open is looked at once more: closing auctions take minutes, and many plans tell prices
-- a quarter of an hour late.
create function openbell.after_close() returns interval
    language sql immutable parallel safe
    return interval '20 minutes';

-- The calendar that the current value keeps to; null where time alone makes it old.
alter table openbell.artifact add column calendar text;

-- For whoever changes the hours of a calendar. Without the times, so that a refresh touches no index.
-- squawk-ignore require-concurrent-index-creation
create index artifact_calendar on openbell.artifact (calendar) where calendar is not null;
