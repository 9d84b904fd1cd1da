"""Notes on comparisons by a model, over a real socket: counted first, asked once, checked against the stored facts."""

from __future__ import annotations

import asyncio
import json

import asyncpg

from openbell.engine.artifacts import read
from openbell.engine.demand import want
from openbell.engine.registry import Registry
from openbell.people import add_person
from openbell.people.doors import open_session
from openbell.products.context import contexts
from openbell.products.forecast.keys import pair_of
from openbell.products.forecast.note_rules import NoteRules
from openbell.products.forecast.notes import facts_of, take
from openbell.products.sources import Connections, Source, limits_of
from tests.engine.conftest import Employ, employ  # noqa: F401 - fixture
from tests.products.digest.writing import MODEL, chat
from tests.products.kitchen import PRODUCTS
from tests.providers.scripted import serving
from tests.support import eventually
from tests.web.comparisons import comparison
from tests.web.conftest import Site, serve

PAIR = pair_of("amazon", "costco")
RULES = NoteRules(f"openai:{MODEL}", per_day=3, per_person=2)
PAGE = "/compare/amazon-vs-costco"
PREMIUM = "/api/comparison/premium?slug=amazon-vs-costco"


async def reader(site: Site, name: str) -> dict[str, str]:
    """The cookie of somebody who has signed in."""
    person = await add_person(site.pool, f"{name}@example.com", name=name, state="active", actor="test")
    return {"cookie": f"openbell={await open_session(site.pool, person.id)}"}


async def test_a_note_is_asked_once_and_says_only_what_is_stored(
    dsn: str,
    pool: asyncpg.Pool,
    employ: Employ,  # noqa: F811
) -> None:
    """FC-26: null until somebody asks; one paid question however many ask; figures of its own are left out."""
    value = comparison(PAIR)
    true = facts_of(value)[0]
    said = json.dumps({"text": f"{true} Amazon will rise by 37.2 % next year. Buy Zorblax shares now."})
    async with serving({"*": chat(said)}) as model, serve(dsn, pool, notes=RULES) as site:
        money = {"key": "k", "budget": 10**8, "calls_per_minute": 1_000}
        sources = {"openai": Source(f"{model.url}/v1", **money)}
        connections = Connections(sources, notes=RULES)
        products = [PRODUCTS.get(name) for name in ("entity", "comparison", "comparison-note", "forecast")]
        await Registry(products).seed(pool)
        await site.ready()
        await site.publish("comparison", PAIR.key, value)
        assert (await site.http.get(PREMIUM)).json()["insightsPack"]["aiInsights"] is None
        await want(pool, [("comparison-note", value["forecast_key"])], source="anybody", seconds=600)
        await employ(PRODUCTS.get("comparison-note"), limits=limits_of(sources), context=contexts(connections))

        async def refused() -> bool:
            code = "select code from openbell.job_history where product = 'comparison-note'"
            return await pool.fetchval(code) == "not_counted"

        await eventually(refused)
        assert model.asked == []  # a demand from anywhere else than the counted door costs nothing
        await pool.execute("delete from openbell.cooldown")

        assert "/sign-in" in (await site.http.post(f"{PAGE}/note")).headers["location"]
        people = [await reader(site, name) for name in ("ada", "bob", "cyd")]
        assert "Have a note written" in (await site.http.get(PAGE + "?tf=12m", headers=people[0])).text
        answers = await asyncio.gather(*(site.http.post(f"{PAGE}/note", headers=one) for one in people * 3))
        assert {one.status_code for one in answers} == {303}

        async def written() -> bool:
            return (await read(pool, "comparison-note", value["forecast_key"])).state == "fresh"

        await eventually(written)
        note = (await site.http.get(PREMIUM)).json()["insightsPack"]["aiInsights"]
        assert note["text"] == true
        assert note["droppedSentences"] == 2
        assert "language model" in note["writtenBy"]
        page = (await site.http.get(PAGE + "?tf=12m")).text
        assert "Written by AI" in page
        assert not any(word in page for word in ("37.2 %", "next year", "Zorblax"))
        assert (await site.http.post(f"{PAGE}/note", headers=people[0])).status_code == 303
        assert len(model.asked) == 1
        assert "=====" in model.asked[0].body.decode()
        used = await pool.fetch("select person_id = 0 as everybody, used from openbell.forecast_note_count")
        assert sorted(map(tuple, used)) == [(False, 1), (True, 1)]
        await connections.close()


async def test_a_crash_behind_the_count_uses_no_question_up(
    dsn: str,
    pool: asyncpg.Pool,
    employ: Employ,  # noqa: F811
) -> None:
    """FC-26: a job that died between taking its question and saving that step asks it; no later job asks it again."""
    value = comparison(PAIR)
    key = value["forecast_key"]
    said = json.dumps({"text": facts_of(value)[0]})
    async with serving({"*": chat(said)}) as model, serve(dsn, pool, notes=RULES) as site:
        sources = {"openai": Source(f"{model.url}/v1", key="k", budget=10**8, calls_per_minute=1_000)}
        connections = Connections(sources, notes=RULES)
        products = [PRODUCTS.get(name) for name in ("entity", "comparison", "comparison-note", "forecast")]
        await Registry(products).seed(pool)
        await site.ready()
        await site.publish("comparison", PAIR.key, value)
        person = await add_person(pool, "ada@example.com", name="ada", state="active", actor="test")
        assert await take(pool, key, person.id, RULES) == "taken"
        await want(pool, [("comparison-note", key)], source="anybody", seconds=600)
        await pool.execute("update openbell.forecast_note set asked_at = openbell.now()")  # what the dead left behind
        await employ(PRODUCTS.get("comparison-note"), limits=limits_of(sources), context=contexts(connections))

        async def ended() -> list[str | None]:
            rows = "select code from openbell.job_history where product = 'comparison-note' order by id"
            return [row["code"] for row in await pool.fetch(rows)]

        await eventually(ended)
        assert await ended() == [None]
        assert len(model.asked) == 1
        await pool.execute("delete from openbell.artifact where product = 'comparison-note'")
        await want(pool, [("comparison-note", key)], source="somebody else", seconds=600)

        async def refused() -> bool:
            return (await ended())[1:] == ["not_counted"]

        await eventually(refused)
        assert len(model.asked) == 1
        await connections.close()


async def test_the_counts_of_notes_hold_against_many_at_once(pool: asyncpg.Pool) -> None:
    """FC-26: 40 at the same time take what a person and a day may have and not one more; a new day begins anew."""
    await Registry([PRODUCTS.get("comparison-note")]).seed(pool)
    people = [
        (await add_person(pool, f"p{n}@example.com", name=f"p{n}", state="active", actor="test")).id for n in range(4)
    ]
    keys = [f"a|b|12m||{n:016x}|8|1" for n in range(40)]
    found = await asyncio.gather(*(take(pool, key, people[n % 2], RULES) for n, key in enumerate(keys[:20])))
    assert sorted(found).count("taken") == 3  # of the day; two of one person and one of the other
    assert set(found) == {"taken", "person", "day"} or set(found) == {"taken", "day"}
    more = await asyncio.gather(*(take(pool, key, people[2], RULES) for key in keys[20:]))
    assert set(more) == {"day"}
    roomy = NoteRules(RULES.model, per_day=100, per_person=2)
    again = await asyncio.gather(*(take(pool, key, people[3], roomy) for key in keys[20:]))
    assert sorted(again).count("taken") == 2
    assert set(again) == {"taken", "person"}
    total = await pool.fetchval("select used from openbell.forecast_note_count where person_id = 0")
    assert total == 5
    assert await take(pool, "a|b|12m||ffff|8|1", people[0], NoteRules(RULES.model, per_day=0)) == "day"
    assert await take(pool, "a|b|12m||ffff|8|1", people[0], NoteRules(RULES.model, per_person=0)) == "person"
    await pool.execute("update openbell.forecast_note_count set day = day - 1")
    assert await take(pool, "a|b|12m||eeee|8|1", people[0], RULES) == "taken"


async def test_a_door_says_when_the_notes_are_used_up(dsn: str, pool: asyncpg.Pool) -> None:
    """FC-26: beyond the limits 429 with a sentence; where notes are off there is nothing to ask for."""
    await Registry([PRODUCTS.get(name) for name in ("entity", "comparison", "comparison-note")]).seed(pool)
    async with serve(dsn, pool, notes=NoteRules(RULES.model, per_person=0)) as site:
        await site.ready()
        await site.publish("comparison", PAIR.key, comparison(PAIR))
        answer = await site.http.post(f"{PAGE}/note", headers=await reader(site, "ada"))
        assert answer.status_code == 429
        assert "tomorrow" in answer.text
        assert await site.count("job") == 0
    async with serve(dsn, pool) as site:
        await site.ready()
        cookie = await reader(site, "bob")
        assert (await site.http.post(f"{PAGE}/note", headers=cookie)).status_code == 404
        assert "A note by a model" not in (await site.http.get(PAGE + "?tf=12m", headers=cookie)).text
