"""How far an edition is, apart from what it holds; and the week, which is in the key."""

from __future__ import annotations

import asyncio
import itertools
import re
from datetime import UTC, date, datetime, timedelta
from typing import Any

import asyncpg
import pytest

from openbell.engine.schedules import Scheduler
from openbell.people import add_person
from openbell.products.picks import queueing
from openbell.products.picks.content import Made
from openbell.products.picks.database import SQL
from openbell.products.picks.editions import DEFAULT_ZONE as ZONE
from openbell.products.picks.editions import EditionKey, week_at
from openbell.products.picks.mailing import alert_failures
from openbell.products.picks.plain import edition
from openbell.products.picks.queueing import plan_batches, queue_one
from openbell.products.picks.reading import look
from openbell.products.picks.store import current_week, publish, read_slot, set_status
from openbell.products.picks.tasks import picks_batch, picks_edition
from openbell.products.picks.words import Answered, Fallback, Kind, Reason, Status
from tests.engine.test_schedules import look as look_at_the_clock
from tests.products.picks.desk import FACTS, NEW_YORK, WEEK, Desk

ROW = "select *, xmin::text from openbell.picks_edition where edition = $1"


async def edited(desk: Desk, person: int) -> EditionKey:
    """An edition that is there, and its place."""
    key = EditionKey.of(person, WEEK)
    await desk.ask(person)
    await publish(desk.pool, key, Kind.PERSONAL, edition(FACTS), Made(provider="test"))
    return key


async def test_no_status_touches_an_edition(desk: Desk) -> None:
    """PK-3: from every status to every other, picks, themes, analysis and citations stay, to the row's version."""
    key = await edited(desk, await desk.person())
    was = await desk.pool.fetchrow(ROW, key)
    for before, after in itertools.permutations(Status, 2):
        await desk.pool.execute("update openbell.picks_slot set status = $2 where edition = $1", key, before.value)
        await set_status(desk.pool, after, key, code="x", message="y")
        assert await desk.pool.fetchrow(ROW, key) == was, (before, after)
        now = await desk.pool.fetchval("select status from openbell.picks_slot where edition = $1", key)
        assert now == (before if before is Status.COMPLETE else after), (before, after)


async def test_no_other_statement_does(desk: Desk) -> None:
    """PK-3: nor does anything else that moves a place."""
    key = await edited(desk, await desk.person())
    was = await desk.pool.fetchrow(ROW, key)
    arguments: dict[str, list[Any]] = {
        "reopen_slot": [key, "error_recovery"], "count_failure": [[key], "x", "y"], "leave_batch": [[key]],
        "settle_slots": [], "give_up_answers": [key], "set_job": [[key], 7],
    }  # fmt: skip
    for statement, values in arguments.items():
        await desk.pool.fetch(SQL.get(statement), *values)
        assert await desk.pool.fetchrow(ROW, key) == was, statement


async def test_an_edition_is_written_once(desk: Desk) -> None:
    """PK-3, PK-9: what is there is not written again, neither by a later answer nor by the figures."""
    person = await desk.person()
    key = await edited(desk, person)
    other = edition(dict(list(FACTS.items())[:30]))
    assert not await publish(desk.pool, key, Kind.IMPERSONAL, other, Made(provider="other"))
    assert await desk.edition(person) == edition(FACTS)


async def test_words_are_those_of_the_database(pool: asyncpg.Pool) -> None:
    """PK-17: one enumeration of status words and reasons; the table's checks name the same."""
    checks = await pool.fetch(
        "select pg_get_constraintdef(oid) as said from pg_constraint where conrelid = 'openbell.picks_slot'::regclass"
    )
    words = [set(re.findall(r"'([a-z_]+)'::text", row["said"])) for row in checks]
    assert {one.value for one in Status} in words
    assert {one.value for one in Reason} in words


async def test_place_and_job_are_one(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """PK-5: where the job cannot be queued, there is no place either, alone and in a batch."""
    person = await desk.person()

    async def broken(*_: Any, **__: Any) -> Any:
        raise ConnectionError("cut")

    monkeypatch.setattr(queueing, "enqueue", broken)
    with pytest.raises(ConnectionError):
        await desk.ask(person)
    with pytest.raises(ConnectionError):
        await plan_batches(desk.pool, picks_batch, WEEK, size=3, together=True)
    assert await desk.pool.fetchval("select count(*) from openbell.picks_slot") == 0


async def test_many_clicks_are_one_place(desk: Desk) -> None:
    """PK-1, PK-13: twenty at once and a weekly run between them: one place, one job."""
    person = await desk.person()
    week = plan_batches(desk.pool, picks_batch, WEEK, size=3, together=True)
    found = await asyncio.gather(week, *(desk.ask(person) for _ in range(20)))
    answers = [one.answered for one in found[1:]]  # type: ignore[union-attr]
    assert answers.count(Answered.QUEUED) + int(found[0]) == 1  # type: ignore[call-overload]
    assert await desk.pool.fetchval("select count(*) from openbell.job") == 1
    assert await desk.pool.fetchval("select count(*) from openbell.picks_slot") == 1


async def test_new_people_first(desk: Desk) -> None:
    """PK-14: in the weekly run those without any edition come first; who waits comes before the whole run."""
    old = [await desk.person() for _ in range(3)]
    for person in old:
        key = EditionKey.of(person, WEEK - timedelta(weeks=1))
        await publish(desk.pool, key, Kind.PERSONAL, edition(FACTS), Made(provider="test"))
    new = [await desk.person() for _ in range(2)]
    await plan_batches(desk.pool, picks_edition, WEEK, size=10, together=False)
    waits = await desk.person()
    await desk.ask(waits)
    rows = await desk.pool.fetch("select key from openbell.job order by job_class, -number, id")
    assert [EditionKey(row["key"]).person_id for row in rows] == [waits, *new, *old]


async def test_nothing_stays_under_way(desk: Desk) -> None:
    """PK-20, PK-21: what has lost its job is an error for whoever looks; the watch tells it, and it can go on."""
    person = await desk.person()
    key = EditionKey.of(person, WEEK)
    await desk.ask(person)
    await set_status(desk.pool, Status.SENT, key)
    await desk.pool.execute("delete from openbell.job")
    slot = await read_slot(desk.pool, key)
    assert slot is not None
    assert (slot.status, slot.code) == (Status.ERROR, "lost")
    await desk.go_to(datetime(2030, 3, 4, 6, 0, tzinfo=NEW_YORK))
    rows = await desk.pool.fetch(SQL.get("settle_slots"))
    assert [row["edition"] for row in rows] == [key]
    await add_person(desk.pool, "admin@example.com", role="admin", state="active", actor="test")
    assert [await alert_failures(desk.pool) for _ in range(2)] == [1, 1]
    assert await desk.pool.fetchval("select count(*) from openbell.delivery") == 1
    subject = await desk.pool.fetchval(
        "select l.subject from openbell.letter l join openbell.delivery d on d.letter = l.hash"
    )
    assert "1 edition has failed" in subject
    assert (await desk.ask(person)).reason is Reason.ERROR_RECOVERY


@pytest.mark.parametrize(
    ("due", "week"),
    [
        (datetime(2030, 3, 11, 5, 30, tzinfo=NEW_YORK), date(2030, 3, 11)),
        (datetime(2030, 11, 4, 5, 30, tzinfo=NEW_YORK), date(2030, 11, 4)),
        (datetime(2029, 12, 31, 5, 30, tzinfo=NEW_YORK), date(2029, 12, 31)),
    ],
)
async def test_a_week_that_turns_while_it_waits(desk: Desk, due: datetime, week: date) -> None:
    """PK-2, DC-7: both clock changes, New Year; a run that is late is still about its own Monday."""
    await desk.go_to(due - timedelta(minutes=1))
    await look_at_the_clock(Scheduler(desk.pool))
    await desk.go_to(due)
    await look_at_the_clock(*[Scheduler(desk.pool) for _ in range(3)])
    args = await desk.pool.fetch("select args from openbell.job where product = 'picks-week'")
    assert [row["args"]["due_at"] for row in args] == [due.isoformat()]
    await desk.keep_facts(FACTS.values(), week)
    person = await desk.person()
    await desk.go_to(due + timedelta(hours=40))
    await desk.work()
    assert await desk.ends(person, week) is Status.COMPLETE
    assert await desk.ends("all", week) is Status.COMPLETE
    assert await desk.edition("figures", week) is not None
    assert await current_week(desk.pool) == week


@pytest.mark.parametrize(
    "monday", [date(2030, 3, 11), date(2030, 11, 4), date(2029, 12, 31), date(2031, 1, 6), date(2028, 1, 3)]
)
async def test_pages_and_queue_turn_the_week_together(desk: Desk, monday: date) -> None:
    """PK-2, DC-7: at the last second of a Sunday in New York, and a second later, all say the same week."""
    midnight = datetime.combine(monday, datetime.min.time(), NEW_YORK)
    for moment, week in ((midnight - timedelta(seconds=2), monday - timedelta(weeks=1)), (midnight, monday)):
        await desk.go_to(moment)
        told = (await current_week(desk.pool), (await look(desk.pool, None, enabled=True)).week, week_at(moment, ZONE))
        assert told == (week, week, week)


async def test_an_edition_that_was_asked_for_on_sunday_night(desk: Desk) -> None:
    """PK-1, PK-2: a job that waits over the turn makes the week that was asked for; the new week is another place."""
    person = await desk.person()
    turn = datetime(2030, 3, 11, tzinfo=NEW_YORK)  # the night after clocks went forward
    await desk.go_to(turn - timedelta(minutes=1))
    await desk.ask(person, week=await current_week(desk.pool))
    await desk.go_to(turn + timedelta(minutes=30))
    assert await current_week(desk.pool) == date(2030, 3, 11)
    await desk.keep_facts(FACTS.values(), date(2030, 3, 11))
    await desk.work()
    assert await desk.ends(person, WEEK) is Status.COMPLETE
    assert await desk.edition(person, date(2030, 3, 11)) is None
    assert (await desk.ask(person, week=date(2030, 3, 11))).answered is Answered.QUEUED
    assert await desk.ends(person, date(2030, 3, 11)) is Status.COMPLETE
    assert await desk.charges() == 2


async def test_what_is_shown(desk: Desk) -> None:
    """PK-9, PK-10: the order of what stands in, and that figures and the fixed list never replace an own edition."""
    person = await desk.person()

    async def shown(**other: Any) -> tuple[Kind | None, date | None, Fallback | None]:
        view = await look(desk.pool, person, **({"enabled": True} | other))
        return (view.edition and view.edition.kind, view.edition and view.edition.week, view.fallback)

    async def add(whose: int | str, kind: Kind, weeks_ago: int = 0) -> None:
        key = EditionKey.of(whose, WEEK - timedelta(weeks=weeks_ago))
        await publish(desk.pool, key, kind, edition(FACTS), Made(provider="test", at=datetime.now(UTC)))

    assert await shown() == (Kind.STATIC, date(2025, 8, 4), Fallback.COST)
    await add("figures", Kind.FIGURES, 1)
    assert (await shown())[:2] == (Kind.FIGURES, WEEK - timedelta(weeks=1))
    await add("figures", Kind.FIGURES)
    await add("all", Kind.IMPERSONAL, 1)
    assert (await shown())[:2] == (Kind.FIGURES, WEEK)
    await add("all", Kind.IMPERSONAL)
    assert (await shown())[0] is Kind.IMPERSONAL
    await add(person, Kind.PERSONAL, 3)
    assert await shown() == (Kind.PERSONAL, WEEK - timedelta(weeks=3), Fallback.COST)
    await queue_one(desk.pool, picks_edition, EditionKey.of(person, WEEK), Reason.NEW_WEEK)
    assert (await shown())[2] is Fallback.IN_PROGRESS
    await add(person, Kind.PERSONAL)
    assert await shown() == (Kind.PERSONAL, WEEK, None)
