"""The states of a person, and every step between them (DG-32). Pure; :func:`step` is the whole policy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

State = Literal["pending", "active", "paused", "blocked", "left"]
Event = Literal["confirm", "approve", "pause", "resume", "block", "unblock", "leave"]

Enter = Literal["enter"]
ENTER: Enter = "enter"
"""Stands for `active` where all that is asked for has been given, else for `pending`."""

TABLE: Mapping[tuple[State, Event], State | Enter] = {
    ("pending", "confirm"): ENTER,
    ("pending", "approve"): ENTER,
    ("pending", "block"): "blocked",
    ("pending", "leave"): "left",
    ("active", "confirm"): "active",
    ("active", "approve"): "active",
    ("active", "pause"): "paused",
    ("active", "block"): "blocked",
    ("active", "leave"): "left",
    ("paused", "confirm"): "paused",
    ("paused", "pause"): "paused",
    ("paused", "resume"): "active",
    ("paused", "block"): "blocked",
    ("paused", "leave"): "left",
    ("blocked", "block"): "blocked",
    ("blocked", "unblock"): ENTER,
    ("left", "confirm"): ENTER,
    ("left", "block"): "blocked",
    ("left", "leave"): "left",
}
"""What is not here is refused. Only the person leaves and comes back: an operator can neither keep nor fetch them."""

BY_OPERATOR: frozenset[Event] = frozenset({"approve", "pause", "resume", "block", "unblock"})
BY_PERSON: frozenset[Event] = frozenset({"confirm", "pause", "resume", "leave"})


def step(state: State, event: Event, *, confirmed: bool, approved: bool, asks_approval: bool) -> State | None:
    """The state after ``event``, or None where the table has no such step.

    ``confirmed`` and ``approved`` tell what holds after the event. Nobody is active whose address is not confirmed.
    """
    found = TABLE.get((state, event))
    if found != "enter":
        return found
    return "active" if confirmed and (approved or not asks_approval) else "pending"
