"""The queue of mails: one row a recipient, and what happens to it when versions, states and operators change."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import asyncpg
import pytest

from openbell.mail import Delivery, MailError, queue, queue_all
from openbell.mail.control import act
from openbell.mail.deliveries import get_delivery, list_deliveries
from openbell.mail.letters import Letter
from openbell.people import Person, add_person
from openbell.products import registry


async def person(pool: asyncpg.Pool, name: str = "jane", **other: Any) -> Person:
    return await add_person(pool, f"{name}@example.com", state="active", actor="test", **other)


async def mail(pool: asyncpg.Pool, to: Person | str, **other: Any) -> Delivery:
    given: dict[str, Any] = {"kind": "welcome", "subject": "Hello", "html": "<p>Hello</p>", "text": "Hello"}
    return await queue(pool, recipient=to, **given | other)


async def state(pool: asyncpg.Pool, delivery: Delivery) -> str:
    found = await get_delivery(pool, delivery.id)
    assert found is not None
    return found.state


async def test_one_row_for_one_artifact_version_kind_and_recipient(pool: asyncpg.Pool) -> None:
    """DG-21: queueing the same mail again answers the row that is there, and people are told apart."""
    await registry().seed(pool)
    jane, john = await person(pool), await person(pool, "john")
    one = await mail(pool, jane, artifact=("digest", "AAPL", 1))
    assert (await mail(pool, jane, artifact=("digest", "AAPL", 1))).id == one.id
    assert (await mail(pool, john, artifact=("digest", "AAPL", 1))).id != one.id
    letter = Letter("Hello", "<p>Hello</p>", "Hello")
    both = await queue_all(pool, kind="welcome", recipients=[jane, john, jane], letter=letter, ref="twice")
    assert [two.person_id for two in both] == [jane.id, john.id]
    assert await pool.fetchval("select count(*) from openbell.letter") == 1


async def test_a_newer_version_takes_the_place_of_what_waits(pool: asyncpg.Pool) -> None:
    """DG-21: a regenerated digest replaces the unsent mail; where the old one was sent, nobody gets a second one."""
    jane, john = await person(pool), await person(pool, "john")
    waits = await mail(pool, jane, artifact=("digest", "AAPL", 1))
    went = await mail(pool, john, artifact=("digest", "AAPL", 1))
    await pool.execute("update openbell.delivery set state = 'sent' where id = $1", went.id)
    again = [await mail(pool, one, artifact=("digest", "AAPL", 2)) for one in (jane, john)]
    assert await state(pool, waits) == "cancelled"
    assert [one.state for one in again] == ["ready", "cancelled"]
    assert again[1].note == "version 1 was sent already"
    assert await act(pool, "undo", [again[1].id], actor="test") == [again[1].id]
    assert await state(pool, again[1]) == "held", "an operator may still want it, and must release it"


async def test_what_an_operator_does_to_the_queue(pool: asyncpg.Pool) -> None:
    """DG-20: hold, release, cancel, undo and send now, each only from the states that allow it, and audited."""
    await registry().seed(pool)
    at = await pool.fetchval("select openbell.now()") + timedelta(hours=2)
    one = await mail(pool, await person(pool), send_at=at)
    steps = [("hold", "held"), ("release", "ready"), ("cancel", "cancelled"), ("undo", "ready"), ("hold", "held")]
    for name, after in steps:
        assert await act(pool, name, [one.id], actor="operator") == [one.id]  # type: ignore[arg-type]
        assert await state(pool, one) == after
    assert await act(pool, "undo", [one.id], actor="operator") == [], "only what was cancelled comes back"
    assert await act(pool, "send-now", [one.id], actor="operator") == [one.id]
    [row] = await list_deliveries(pool)
    assert (row.state, row.send_at < at) == ("ready", True)
    assert await pool.fetchval("select parked_until from openbell.job where key = $1", str(one.id)) < at
    told = await pool.fetch("select action from openbell.audit where target = $1 order by id", f"delivery {one.id}")
    assert [row["action"] for row in told] == [f"mail.{name}" for name, _ in steps] + ["mail.send-now"]


async def test_what_no_mail_can_be(pool: asyncpg.Pool) -> None:
    """Unknown kinds, subjects of two lines and empty texts are refused before anything is written."""
    jane = await person(pool)
    for wrong in ({"kind": "spam"}, {"subject": "two\nlines"}, {"subject": " "}, {"text": ""}, {"html": "a\x00b"}):
        with pytest.raises(MailError):
            await mail(pool, jane, **wrong)
    assert await list_deliveries(pool) == []
