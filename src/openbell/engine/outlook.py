"""What the gates come to: the verdict, and when work is expected to begin. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from math import ceil

from openbell.engine.explain import Explanation, Gate, clock, standing, why, words
from openbell.engine.gates import Facts, free_seats, gates_of

_DECISIVE = ("product", "demand", "cooldown", "needs", "provider", "account")
"""What a closed gate of these names says is told first; the others follow from it, or from the queue."""

_UNTIL = {
    "product": "not before it is switched on",
    "demand": "as soon as somebody asks",
    "needs": "when what it needs is there",
    "job": "when what it needs is there",
    "account": "when there is room in the account",
    "workers": "when a worker is there that would take it",
}
"""When a gate opens that opens at no known time."""

_SOON = timedelta(seconds=1)


def explain(f: Facts) -> Explanation:
    """The verdict, every gate, and when work is expected to begin."""
    gates = list(gates_of(f))
    start, basis = _expect(f, gates)
    state = f.reading.state if f.is_artifact else "task"
    return Explanation(f.product, f.key, state, f.about["id"], _verdict(f, gates, start), gates, start, basis, f.now)


def _expect(f: Facts, gates: Sequence[Gate]) -> tuple[datetime | None, str]:
    """From the gates' times, the place in the queue, the free room, and how long jobs ran lately."""
    if f.is_running:
        return f.about["started_at"], "it has begun"
    if not f.has_job and not f.is_artifact:
        return None, "nothing is queued"
    closed = [gate for gate in gates if not gate.open]
    for gate in closed:
        if gate.opens_at is None and not _opens_by_turns(f, gate):
            return None, _UNTIL.get(gate.name, f"nobody can say when this opens: {gate.name}")
    start = max([f.now, *(gate.opens_at for gate in closed if gate.opens_at is not None)])
    room = min([f.free_slots, *(free_seats(limit) for limit in f.seats)])
    ahead = f.ahead if f.is_waiting else 0
    place = f"{ahead:,} ahead, room for {room:,}"
    if ahead < room:
        return start, f"an estimate: {place}"
    width, median_s = min([f.slots, *(limit["most"] for limit in f.seats)]), f.runs["median_s"]
    if median_s is None or not width:
        return None, f"{place}, and no job has ended lately to estimate from"
    start += timedelta(seconds=ceil((ahead - room + 1) / width) * median_s)
    least = "or later, " if f.queue["capped"] else ""
    return start, f"an estimate, {least}from {place} of {width:,}, and a median run of {_brief(median_s)} lately"


def _opens_by_turns(f: Facts, gate: Gate) -> bool:
    """Whether it opens as other jobs end, which the estimate counts through."""
    return (gate.name == "job" and f.is_waiting) or gate.name == "seats" or (gate.name == "workers" and bool(f.serving))


def _verdict(f: Facts, gates: Sequence[Gate], start: datetime | None) -> str:
    holds = f.reading.fresh_until is not None and f.reading.fresh_until > f.reading.now
    if f.is_artifact and holds and not f.has_job:
        return why(f.reading)
    job = next(gate for gate in gates if gate.name == "job")
    told = [standing(f.reading)] if f.is_artifact else []
    if f.is_running:
        return " ".join([*told, job.detail])
    closed = [gate for gate in gates if not gate.open and gate.name != "freshness"]
    first = next((gate for gate in closed if gate.name in _DECISIVE), closed[-1] if closed else None)
    if first is not None:
        told.append(first.detail)
    if f.is_waiting and first is not job:
        told.append(job.detail)
    elif first is None:
        told.append("It is about to be queued." if f.is_artifact else job.detail)
    if start is not None:
        soon = "at any moment" if start <= f.now + _SOON else f"at about {clock(start, f.now)}"
        told.append(f"It is expected to start {soon}.")
    return " ".join(told)


def _brief(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else words(timedelta(seconds=seconds))
