"""Editions as workers make them, against the sandbox's real sockets."""

from __future__ import annotations

from openbell.products.picks.queueing import plan_batches
from openbell.products.picks.tasks import picks_batch
from openbell.products.picks.words import Answered, Reason, Status
from tests.products.picks.desk import WEEK, Desk


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
