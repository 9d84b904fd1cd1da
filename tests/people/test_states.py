"""The states of a person: every pair of state and event, alone and under two hands at once."""

from __future__ import annotations

import asyncio
import itertools
from typing import Any, get_args

import asyncpg
import pytest

from openbell.people import add_person, find_person, move
from openbell.people.errors import StateRefused
from openbell.people.person import move_by_operator, set_sign_up
from openbell.people.states import BY_OPERATOR, BY_PERSON, Event, State, step

ACTIVE, PENDING, PAUSED, BLOCKED, LEFT = "active", "pending", "paused", "blocked", "left"
EXPECTED: dict[tuple[str, str], str | None] = {
    (PENDING, "confirm"): ACTIVE, (PENDING, "approve"): PENDING, (PENDING, "pause"): None, (PENDING, "resume"): None,
    (PENDING, "block"): BLOCKED, (PENDING, "unblock"): None, (PENDING, "leave"): LEFT,
    (ACTIVE, "confirm"): ACTIVE, (ACTIVE, "approve"): ACTIVE, (ACTIVE, "pause"): PAUSED, (ACTIVE, "resume"): None,
    (ACTIVE, "block"): BLOCKED, (ACTIVE, "unblock"): None, (ACTIVE, "leave"): LEFT,
    (PAUSED, "confirm"): PAUSED, (PAUSED, "approve"): None, (PAUSED, "pause"): PAUSED, (PAUSED, "resume"): ACTIVE,
    (PAUSED, "block"): BLOCKED, (PAUSED, "unblock"): None, (PAUSED, "leave"): LEFT,
    (BLOCKED, "confirm"): None, (BLOCKED, "approve"): None, (BLOCKED, "pause"): None, (BLOCKED, "resume"): None,
    (BLOCKED, "block"): BLOCKED, (BLOCKED, "unblock"): PENDING, (BLOCKED, "leave"): None,
    (LEFT, "confirm"): ACTIVE, (LEFT, "approve"): None, (LEFT, "pause"): None, (LEFT, "resume"): None,
    (LEFT, "block"): BLOCKED, (LEFT, "unblock"): None, (LEFT, "leave"): LEFT,
}  # fmt: skip
"""For somebody whose address is not confirmed, where sign-up is open: written out by hand, apart from the table."""


def test_the_table_is_complete() -> None:
    """DG-32: every pair of state and event has an expectation here."""
    assert set(EXPECTED) == set(itertools.product(get_args(State), get_args(Event)))
    assert set(get_args(Event)) == BY_OPERATOR | BY_PERSON


@pytest.mark.parametrize(("state", "event"), EXPECTED)
async def test_each_transition(pool: asyncpg.Pool, state: Any, event: Any) -> None:
    """DG-32: this step, in the database, and its audit; what the table does not have changes nothing."""
    one = await add_person(pool, "jane@example.com")
    confirmed = "openbell.now()" if state in (ACTIVE, PAUSED) else "null"
    await pool.execute(f"update openbell.person set state = $1, confirmed_at = {confirmed}", state)
    expected = EXPECTED[state, event]
    if expected is None:
        with pytest.raises(StateRefused):
            await move(pool, one.id, event, actor="test")
        expected = state
    else:
        assert (await move(pool, one.id, event, actor="test")).state == expected
    after = await find_person(pool, one.id)
    assert after is not None
    assert after.state == expected
    told = await pool.fetchval("select count(*) from openbell.audit where action = $1", f"person.{event}")
    assert told == (1 if expected != state else 0)


@pytest.mark.parametrize("asks", [True, False])
@pytest.mark.parametrize("approved", [True, False])
@pytest.mark.parametrize("confirmed", [True, False])
def test_nobody_is_in_without_what_is_asked_for(asks: bool, approved: bool, confirmed: bool) -> None:
    """DG-32: in is who has confirmed, and been approved where that is asked for; in whatever order these came."""
    inside = confirmed and (approved or not asks)
    for state, event in (("pending", "confirm"), ("pending", "approve"), ("blocked", "unblock"), ("left", "confirm")):
        found = step(state, event, confirmed=confirmed, approved=approved, asks_approval=asks)  # type: ignore[arg-type]
        assert found == ("active" if inside else "pending")


async def test_an_operator_keeps_and_fetches_nobody(pool: asyncpg.Pool) -> None:
    """DG-32: leaving and coming back is the person's alone; an unconfirmed address is active by nobody's word."""
    one = await add_person(pool, "jane@example.com")
    for event in ("leave", "confirm"):
        with pytest.raises(StateRefused):
            await move_by_operator(pool, one.id, event, actor="test")  # type: ignore[arg-type]
    await set_sign_up(pool, "approve", actor="test")
    assert (await move_by_operator(pool, one.id, "approve", actor="test")).state == "pending"
    assert (await move(pool, one.id, "confirm", actor="test")).state == "active", "approved before, confirmed now"


async def test_two_hands_at_once(pool: asyncpg.Pool) -> None:
    """DG-32: of leaving and being paused at the same moment each is one step; nobody who left is paused into mail."""
    one = await add_person(pool, "jane@example.com", state="active")
    done = await asyncio.gather(
        *(move(pool, one.id, event, actor="test") for event in ("leave", "pause", "leave", "pause")),  # type: ignore[arg-type]
        return_exceptions=True,
    )
    assert all(not isinstance(answer, BaseException) or isinstance(answer, StateRefused) for answer in done)
    after = await find_person(pool, one.id)
    assert after is not None
    assert after.state == "left"
