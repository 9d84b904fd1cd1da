"""Editions as workers make them, against the sandbox's real sockets."""

from __future__ import annotations

import re
from html import unescape

from openbell.people import consent
from openbell.products.picks.editions import EditionKey
from openbell.products.picks.queueing import plan_batches
from openbell.products.picks.tasks import picks_batch
from openbell.products.picks.words import Answered, Reason, Status
from tests.products.picks.desk import WEEK, Desk
from tests.support import eventually


async def test_somebody_who_waits_gets_an_edition(desk: Desk) -> None:
    """PK-1, PK-7: asked for once and then again, it is made by one paid call, with six picks and four themes."""
    person = await desk.person(interests=["technology", "communication"], risk="moderate")
    first = await desk.ask(person)
    again = await desk.ask(person)
    assert (first.answered, again.answered) == (Answered.QUEUED, Answered.IN_PROGRESS)
    assert first.job_id == again.job_id
    await desk.work()
    assert await desk.ends(person) is Status.COMPLETE, await desk.slot(person)
    stored = await desk.edition(person)
    assert stored is not None
    assert (len(stored.content.picks), len(stored.content.themes)) == (6, 4)
    assert all(len(stored.backing[pick.ticker]) == 4 for pick in stored.content.picks)
    assert await desk.charges() == 1
    assert (await desk.ask(person)).answered is Answered.COMPLETED


async def test_a_week_is_made_in_batches(desk: Desk) -> None:
    """PK-1, PK-16: everybody who may have one gets an edition, each is charged once, and so is everybody's."""
    people = [await desk.person(interests=["healthcare", "industry"]) for _ in range(7)]
    assert await plan_batches(desk.pool, picks_batch, WEEK, size=3, together=True) == 7
    await desk.work()
    for person in people:
        assert await desk.ends(person) is Status.COMPLETE, await desk.slot(person)
    assert await desk.charges() == 7
    assert (await desk.slot(people[0])).reason == Reason.NEW_USER


async def test_an_edition_is_mailed_to_whom_it_is_for(desk: Desk) -> None:
    """Issue 7, item 6: one's own edition, else everybody's, once, to those who get the list; it says who wrote it."""
    own, ended, other, silent = [await desk.person(personal=n < 2) for n in range(4)]
    for person in (own, ended, other):
        await consent(desk.pool, person, ["mail"], given=True, source="test")
    await consent(desk.pool, ended, ["mail:picks"], given=False, source="test")
    for key in (own, ended, "all"):
        await desk.ask(key)
    await desk.work()
    for key in (own, ended, "all"):
        assert await desk.ends(key) is Status.COMPLETE, await desk.slot(key)

    async def queued() -> dict[int, str] | None:
        rows = await desk.pool.fetch("select person_id, artifact from openbell.delivery where kind = 'picks'")
        assert len(rows) == len({row["person_id"] for row in rows})
        found = {row["person_id"]: row["artifact"] for row in rows}
        return found if len(found) >= 2 else None

    week = WEEK.isoformat()
    assert await eventually(queued) == {
        own: f"picks-edition {EditionKey.of(own, WEEK)}", other: f"picks-edition {EditionKey.of('all', WEEK)}"
    }  # fmt: skip
    assert silent not in (await queued() or {})
    row = await desk.pool.fetchrow(
        "select html, body from openbell.letter l join openbell.delivery d on d.letter = l.hash where person_id = $1",
        own,
    )
    assert row is not None
    edition = await desk.edition(own)
    assert edition is not None
    for form in (row["html"], row["body"]):
        for words in ("Made for your profile.", "Written by artificial intelligence (", "Volatility, a year", week):
            assert words in form, words
        for pick in edition.content.picks:
            assert pick.rationale[:40] in unescape(form)
        assert re.search(r"Momentum, a year.*[+\u2212]\d", form), "a change has its sign"
        assert "the change of the price over a year" in form
        assert f"/picks/week/{EditionKey.of(own, WEEK).replace('|', '.')}" in form
        assert "Synthetic data" in form or "SYNTHETIC DATA" in form
