"""Weekly picks for programs: reads that only read, and doors that are shut unless everything is right."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import asyncpg
import pytest

from openbell.engine.schedules import seed_schedules
from openbell.products.picks.store import attest
from openbell.products.picks.tasks import WEEKLY
from openbell.products.picks.words import Answered, Fallback, Kind, Reason, Status
from tests.products.picks.desk import WEEK
from tests.web.picks_house import Picks, picks_house

SECRET = "a-secret-of-sixteen-letters"
GENERATE, READ, CRON = "/api/weekly-picks/generate", "/api/weekly-picks", "/api/cron/weekly-picks"


@pytest.fixture
async def house(dsn: str, pool: asyncpg.Pool) -> AsyncIterator[Picks]:
    """A house whose own pages may ask for editions."""
    async with picks_house(dsn, pool, allowed_origins="own", cron_secret=SECRET) as found:
        yield found


async def read(house: Picks, headers: dict[str, str] | None = None) -> Any:
    """What the API answers."""
    answer = await house.site.http.get(READ, headers=headers or {})
    assert answer.status_code == 200
    return answer.json()


async def test_reading_writes_nothing(house: Picks) -> None:
    """PK-11: a GET, of anybody, new or not, on the page or by the API, leaves every table as it was."""
    person, me = await house.reader()
    await house.publish("figures", Kind.FIGURES)
    before = await house.counts()
    for headers in ({}, me):
        for path in (READ, "/picks", "/picks?pick=AAPL", "/picks/week/figures.2030-03-04"):
            assert (await house.site.http.get(path, headers=headers)).status_code == 200
    assert await house.counts() == before
    assert person


async def test_a_read_that_has_not_changed_is_not_sent_again(house: Picks) -> None:
    """PK-11: the answer carries an ETag; it changes with the status and with the edition, and with nothing else."""
    person, me = await house.reader()
    first = await house.site.http.get(READ, headers=me)
    same = await house.site.http.get(READ, headers=me | {"if-none-match": first.headers["etag"]})
    assert (same.status_code, same.content) == (304, b"")
    assert "private" in first.headers["cache-control"]
    await house.slot(person, Status.SENT)
    changed = await house.site.http.get(READ, headers=me | {"if-none-match": first.headers["etag"]})
    assert changed.status_code == 200
    assert changed.json()["metadata"]["status"] == Status.SENT


async def test_the_static_list_keeps_its_date(house: Picks) -> None:
    """PK-9: with nothing else there, the fixed list is served with its own date and a reason, never as new."""
    told = await read(house)
    about = told["metadata"]
    assert (about["kind"], about["edition_week"], about["week_of"]) == ("static", "2025-08-04", str(WEEK))
    assert about["generated_at"].startswith("2025-08-04")
    assert (about["is_fallback"], about["fallback_reason"]) == (True, Fallback.COST)
    assert len(told["data"]["stock_picks"]) == 6


async def test_the_last_good_one_stands_in(house: Picks) -> None:
    """PK-10: while this week's own edition is missing, the last own one is served, marked with its week and why."""
    person, me = await house.reader()
    await house.publish("all", Kind.IMPERSONAL)
    await house.publish(person, Kind.PERSONAL, weeks_ago=2)
    await house.slot(person, Status.PROCESSING)
    about = (await read(house, me))["metadata"]
    assert (about["kind"], about["edition_week"]) == ("personal", str(WEEK - timedelta(weeks=2)))
    assert about["fallback_reason"] == Fallback.IN_PROGRESS
    await house.slot(person, Status.ERROR, code="run_failed")
    assert (await read(house, me))["metadata"]["fallback_reason"] == Fallback.SERVICE_ERROR
    await house.slot(person, Status.ERROR, code="money_cap")
    assert (await read(house, me))["metadata"]["fallback_reason"] == Fallback.COST
    await house.publish(person, Kind.PERSONAL)
    await house.slot(person, Status.COMPLETE)
    about = (await read(house, me))["metadata"]
    assert (about["edition_week"], about["is_fallback"], about["status"]) == (str(WEEK), False, Status.COMPLETE)


async def test_nobody_sees_anothers(house: Picks) -> None:
    """DC-9: an own edition is for its person; others and strangers get everybody's, and no address leads to it."""
    person, me = await house.reader()
    _, other = await house.reader()
    await house.publish("all", Kind.IMPERSONAL)
    await house.publish(person, Kind.PERSONAL)
    assert (await read(house, me))["metadata"]["kind"] == Kind.PERSONAL
    for headers in ({}, other):
        assert (await read(house, headers))["metadata"]["kind"] == Kind.IMPERSONAL
        answer = await house.site.http.get(f"/picks/week/{person}.{WEEK}", headers=headers)
        assert answer.status_code == 404
    await attest(house.pool, "Ann Example", given=False, actor="test")
    assert (await read(house, me))["metadata"]["kind"] == Kind.IMPERSONAL


async def test_generate_needs_everything(dsn: str, pool: asyncpg.Pool, house: Picks) -> None:
    """PK-12: the switch, an allowed origin and a session, each refused with its own code; an empty list refuses all."""
    _, me = await house.reader()
    http = house.site.http
    for headers, status, code in (
        ({"cookie": me["cookie"]}, 403, "origin_refused"),
        (me | {"origin": "https://elsewhere.example"}, 403, "origin_refused"),
        (me | {"origin": "null"}, 403, "origin_refused"),
        ({"origin": house.site.address}, 401, "sign_in_needed"),
    ):
        answer = await http.post(GENERATE, headers=headers)
        assert (answer.status_code, answer.json()["error"]["code"]) == (status, code), headers
    referred = {"cookie": me["cookie"], "referer": f"{house.site.address}/picks"}
    assert (await http.post(GENERATE, headers=referred)).status_code == 202
    async with picks_house(dsn, pool, allowed_origins=()) as shut:
        answer = await shut.site.http.post(GENERATE, headers=me | {"origin": shut.site.address})
        assert (answer.status_code, answer.json()["error"]["code"]) == (403, "origin_refused")
    async with picks_house(dsn, pool, allowed_origins="own", picks_enabled=False) as off:
        answer = await off.site.http.post(GENERATE, headers=me | {"origin": off.site.address})
        assert (answer.status_code, answer.json()["error"]["code"]) == (403, "generation_off")


async def test_asking_again_is_the_same_job(house: Picks) -> None:
    """PK-13, PK-14: queued, then in progress with the same job in the class of people who wait, then completed."""
    person, me = await house.reader()
    answers = [(await house.site.http.post(GENERATE, headers=me)).json() for _ in range(3)]
    assert [one["status"] for one in answers] == [Answered.QUEUED, Answered.IN_PROGRESS, Answered.IN_PROGRESS]
    assert len({one["job_id"] for one in answers}) == 1
    assert answers[0]["reason"] == Reason.NEW_USER
    row = await house.pool.fetchrow("select product, key, job_class from openbell.job")
    assert row is not None
    assert tuple(row) == ("picks-edition", f"{person}|{WEEK}", 0)
    await house.publish(person, Kind.PERSONAL)
    await house.slot(person, Status.COMPLETE)
    last = await house.site.http.post(GENERATE, headers=me)
    assert (last.status_code, last.json()["status"]) == (200, Answered.COMPLETED)


async def test_who_does_not_want_one_gets_none(house: Picks) -> None:
    """PK-22, DC-9: without the wish, or without the operator's word, nothing is queued."""
    _, me = await house.reader(personal=False)
    answer = await house.site.http.post(GENERATE, headers=me)
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "personal_picks_off")
    _, other = await house.reader()
    await attest(house.pool, "Ann Example", given=False, actor="test")
    answer = await house.site.http.post(GENERATE, headers=other)
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "personal_picks_off")
    assert await house.site.count("job") == 0


async def test_the_trigger_of_outside_schedulers(dsn: str, pool: asyncpg.Pool, house: Picks) -> None:
    """PK-12, PK-16: the right secret queues the week and nothing more; a wrong, empty or missing one is refused."""
    http = house.site.http
    for headers in ({}, {"authorization": "Bearer"}, {"authorization": f"Bearer {SECRET}x"}, {"authorization": SECRET}):
        answer = await http.get(CRON, headers=headers)
        assert (answer.status_code, answer.json()["error"]["code"]) == (401, "cron_secret_refused")
    await seed_schedules(pool, [WEEKLY])
    answer = await http.get(CRON, headers={"authorization": f"Bearer {SECRET}"})
    assert answer.status_code == 202
    assert (
        await pool.fetchval("select product from openbell.job where id = $1", answer.json()["job_id"]) == "picks-week"
    )
    assert await house.site.count("picks_slot") == 0
    async with picks_house(dsn, pool) as unset:
        for headers in ({}, {"authorization": "Bearer"}, {"authorization": "Bearer x"}):
            assert (await unset.site.http.get(CRON, headers=headers)).status_code == 401


async def test_hostile_requests(house: Picks) -> None:
    """PK-11, PK-12, PK-13: twenty at once queue one job; a foreign page, an odd name or a huge form does nothing."""
    person, me = await house.reader()
    victim, _ = await house.reader()
    await house.publish(victim, Kind.PERSONAL)
    http = house.site.http
    answers = await asyncio.gather(*(http.post(GENERATE, headers=me) for _ in range(20)))
    assert {one.status_code for one in answers} <= {202, 429}
    assert len({one.json()["job_id"] for one in answers if one.status_code == 202}) == 1
    assert [row["key"] for row in await house.pool.fetch("select key from openbell.job")] == [f"{person}|{WEEK}"]
    before = await house.counts()
    own = house.site.address
    for origin in (f"{own}.evil.example", f"{own}@evil.example", f"http://evil.example/{own}", "null", "file://", ""):
        answer = await http.post(GENERATE, headers=me | {"origin": origin})
        assert (answer.status_code, answer.json()["error"]["code"]) == (403, "origin_refused"), origin
    for name in (
        f"{victim}.{WEEK}", f"{victim}%7C{WEEK}", f"0{person}.{WEEK}", f"{person}.2030-02-30", f"{person}.2030-03-05",
        f"all.{WEEK}'--", "static", "..%2f..%2fetc", f"{'9' * 18}.{WEEK}", f"{'9' * 400}.{WEEK}", f"all.{WEEK}%00",
        "%ff",
    ):  # fmt: skip
        assert (await http.get(f"/picks/week/{name}", headers=me)).status_code == 404, name
    for query in ("?week=2031-01-06", f"?person={victim}", "?pick=%00", "?pick=" + "A" * 5_000, "?pick=%27%3B--"):
        told = await http.get(READ + query, headers=me)
        assert told.status_code == 200
        assert told.json()["metadata"]["kind"] == Kind.STATIC
        assert (await http.get("/picks" + query, headers=me)).status_code == 200
    for form in ({"first_name": "A" * 3_000_000}, {"holdings": "AAPL " * 500_000}, {"interests": ["energy"] * 20_000}):
        assert (await http.post("/picks/profile", data=form, headers=me)).status_code in (400, 413), next(iter(form))
    assert (
        await http.post("/picks/profile", data={}, headers=me | {"origin": "https://evil.example"})
    ).status_code == 403
    assert await house.counts() == before
    assert (await http.get(CRON, headers={"authorization": f"Bearer {SECRET[:-1]}\u00e9".encode()})).status_code == 401
