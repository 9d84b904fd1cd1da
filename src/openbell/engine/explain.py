"""Why something is as fresh as it is. Pure; the same sentence serves pages, terminal and API."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from openbell.engine.artifacts import Reading


@dataclass(frozen=True, slots=True)
class Gate:
    """One thing that must hold before work on a key begins.

    ``opens_at`` is when a closed gate opens by itself, None where nobody can know; ``numbers`` are what it is judged
    by.
    """

    name: str
    open: bool
    detail: str
    numbers: Mapping[str, Any]
    opens_at: datetime | None = None

    def as_json(self) -> dict[str, Any]:
        """For programs; times in ISO 8601 with zone."""
        return {
            "name": self.name,
            "open": self.open,
            "detail": self.detail,
            "opens_at": plain(self.opens_at),
            "numbers": plain(self.numbers),
        }


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why a key is not running or not fresh: a verdict in one or two sentences, and every gate in the way of the data.

    ``expected_start`` is an estimate, or when the running attempt has begun; None where nothing can be said. ``basis``
    says in words what it rests on.
    """

    product: str
    key: str
    state: str
    job: int | None
    verdict: str
    gates: Sequence[Gate]
    expected_start: datetime | None
    basis: str
    now: datetime

    def as_json(self) -> dict[str, Any]:
        """For programs; times in ISO 8601 with zone."""
        return {
            "product": self.product,
            "key": self.key,
            "state": self.state,
            "job": self.job,
            "verdict": self.verdict,
            "expected_start": plain(self.expected_start),
            "basis": self.basis,
            "gates": [gate.as_json() for gate in self.gates],
            "now": plain(self.now),
        }


def plain(value: Any) -> Any:
    """The same as JSON has it: times in ISO 8601 with zone, spans in seconds."""
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, Mapping):
        return {name: plain(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [plain(inner) for inner in value]
    return value


def why(r: Reading) -> str:
    """One sentence: what holds now, and what happens next."""
    if r.state == "fresh" and r.fresh_until is not None:
        return f"Fresh until {clock(r.fresh_until, r.now)}{closed(r)}."
    now = standing(r)
    return f"{now} {_next(r)}".strip()


def standing(r: Reading) -> str:
    """What holds now, in one or two sentences."""
    if r.state == "empty":
        until = (
            f" It is asked again after {clock(r.fresh_until, r.now)}."
            if r.fresh_until and r.fresh_until > r.now
            else ""
        )
        return f"The source has nothing under this key.{until}"
    if r.state == "missing":
        return "Nothing is known yet."
    if r.state == "fallback":
        return "This is a stand-in until the real result is there."
    age = words(timedelta(seconds=r.age_s or 0))
    return f"{'Stale' if r.state == 'stale' else 'Too old to be served as current'}: last checked {age} ago."


def closed(r: Reading) -> str:
    """What opening hours have to do with when it ends, as the end of a sentence; nothing where they have nothing.

    ``: the market (XNYS) is closed until Mon 14:30 UTC, and it was refreshed after the close``
    """
    hours, until = r.hours, r.fresh_until
    if hours is None or until is None or until <= hours.closes_at:
        return ""
    if hours.is_open:
        closing = f"{hours.closes_at:%H:%M} UTC"
        return f": the market ({hours.calendar}) closes at {closing}, and it is refreshed once more after that"
    shut = f": the market ({hours.calendar}) is closed"
    if hours.opens_at is not None:
        shut += f" until {opening(hours.opens_at, r.now)}"
    if r.checked_at is not None and until > hours.settles_at:
        return f"{shut}, and it was refreshed after the close"
    return f"{shut}, and it is refreshed once more after the close"


def opening(time: datetime, now: datetime) -> str:
    """When a market opens: ``Mon 14:30 UTC``, and with its date when that is a week away or more."""
    return f"{time:%a %H:%M} UTC" if time - now < timedelta(days=6) else f"{time:%a} {clock(time, now)}"


def _next(r: Reading) -> str:
    if not r.enabled:
        return "This product is switched off."
    if r.job is not None:
        return _job(r)
    if r.setback is not None and r.setback.retry_at > r.now:
        failure = r.setback.message.rstrip(".")
        if r.setback.needs_operator:
            return f"The last attempt failed: {failure}. It is not tried again before an operator has looked."
        return f"The last attempt failed: {failure}. It is tried again after {clock(r.setback.retry_at, r.now)}."
    if r.state in ("empty", "fallback") and r.fresh_until is not None and r.fresh_until > r.now:
        return ""
    if r.demanded:
        return "It is about to be refreshed."
    if r.state in ("missing", "stale", "expired"):
        return "Nobody is asking for it at the moment; it is refreshed when somebody does."
    return ""


def _job(r: Reading) -> str:
    assert r.job is not None
    if r.job.state == "running":
        step = f" ({r.job.progress})" if r.job.progress else ""
        return f"It is being fetched now{step}."
    because = f": {r.job.reason.rstrip('.')}" if r.job.reason else ""
    if r.blockage is not None:
        return f"Waiting until {clock(r.blockage.until, r.now)}: {r.blockage.reason}."
    if r.job.run_at is not None:
        return f"Waiting until {clock(r.job.run_at, r.now)} for attempt {r.job.attempt + 1}{because}."
    return f"Queued {words(r.now - r.job.queued_at)} ago{because}."


def clock(time: datetime, now: datetime) -> str:
    """A time of day with its zone, and its day when that is not near: ``10:42:05 UTC``, ``7 Aug 2026, 10:42 UTC``."""
    near = abs(time - now) < timedelta(hours=20)
    return f"{time:%H:%M:%S} UTC" if near else f"{time.day} {time:%b %Y, %H:%M} UTC"


def words(span: timedelta) -> str:
    """A span as people say it: ``12 s``, ``3 min``, ``5 h``, ``2 days``."""
    total = max(0, int(span.total_seconds()))
    for size, unit in ((86_400, "days"), (3_600, "h"), (60, "min")):
        if total >= size * (2 if unit == "days" else 1):
            return f"{total // size} {unit}"
    return f"{total} s"
