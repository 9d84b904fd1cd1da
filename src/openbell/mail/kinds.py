"""The kinds of mail: who may get each, and how long it is worth anything."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from openbell.people.doors import Purpose

HOUR = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Kind:
    """``states`` of a person who may get it; ``list`` that ends it; ``window`` after its time in which it may leave.

    ``to`` is who it is meant for: `people`, `admins`, or `anybody` who has an address. ``link`` is a one-time link that
    is made when it is sent, so that no secret waits in the queue.
    """

    name: str
    states: tuple[str, ...] = ("active",)
    list: str | None = None
    to: Literal["people", "admins"] = "people"
    window: timedelta = 6 * HOUR
    job_class: str = "scheduled"
    link: Purpose | None = None


KINDS: Mapping[str, Kind] = {
    kind.name: kind
    for kind in (
        Kind("confirm", ("pending", "left"), window=HOUR, job_class="interactive", link="confirm"),
        Kind("sign-in", ("active", "paused", "left"), window=HOUR / 4, job_class="interactive", link="sign-in"),
        Kind("welcome"),
        Kind("notice", ("active", "paused")),
        Kind("alert", to="admins", window=24 * HOUR),
        Kind("digest", list="digest"),
        Kind("digest-selection", to="admins", window=24 * HOUR),
        Kind("digest-content", to="admins", window=24 * HOUR),
        Kind("digest-hourly", to="admins", window=12 * HOUR),
        Kind("review", to="admins", window=24 * HOUR),
        Kind("picks", list="picks", window=24 * HOUR),
    )
}
