"""The freshness mark: one small component for every figure, and the panel behind it that says why.

`mark(reading)` is pure; the template `mark.html` draws it, on a page and in a stream alike.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import quote as url_quote

from openbell.web import words

if TYPE_CHECKING:
    from openbell.engine.artifacts import Reading

SOURCES = {"fmp": "FMP", "wikimedia": "Wikipedia"}
LABELS = {
    "missing": "not here yet",
    "fresh": "fresh",
    "stale": "stale",
    "expired": "too old to rely on",
    "empty": "nothing known under this name",
    "fallback": "fallback",
}
GRACE_S = 2.0
"""A value that has just become due is being fetched: pages call it stale when that takes longer than this."""

WAITING = {"waiting": "queued", "parked": "waiting", "running": "fetching"}


@dataclass(frozen=True, slots=True)
class Mark:
    """`before`, the ticking age and `after` make one short phrase; `facts` are the lines of the panel."""

    state: str
    label: str
    before: str
    age_s: float | None  # ticks in the page; None when the phrase has no age
    age: str
    after: str
    source: str
    synthetic: str | None
    why: str
    facts: list[tuple[str, str]] = field(default_factory=list)
    api: str = ""
    working: bool = False


def mark(reading: Reading) -> Mark:
    """The mark of one reading."""
    before, age_s, after = phrase(reading)
    provenance = reading.provenance or {}
    state = shown_state(reading)
    return Mark(
        state=state,
        label=LABELS.get(state, state),
        before=before,
        age_s=age_s,
        age="" if age_s is None else words.duration(age_s),
        after=after,
        source=source(provenance),
        synthetic=provenance.get("synthetic") or None,
        why=reading.reason,
        facts=facts(reading),
        api=f"/api/v1/artifacts/{reading.product}/{url_quote(reading.key)}",
        working=reading.job is not None and reading.job.state == "running",
    )


def shown_state(reading: Reading) -> str:
    """The state for people: the moment of an ordinary refresh is not worth a flicker. Programs get the exact one."""
    if reading.state != "stale" or reading.fresh_until is None or reading.setback or reading.blockage:
        return reading.state
    late_s = (reading.now - reading.fresh_until).total_seconds()
    return "stale" if late_s > GRACE_S else "fresh"


def phrase(reading: Reading) -> tuple[str, float | None, str]:
    """The words around the age, such as ("", 12.0, " ago") or ("stale ", 180.0, ": waiting, 10:42:05 UTC")."""
    doing = activity(reading)
    age = reading.age_s
    if reading.state == "missing":
        return waiting(reading, doing)
    if reading.state == "empty":
        return "nothing known", None, ""
    if reading.state == "fallback":
        edition = reading.source_time or reading.changed_at
        return f"edition of {words.day(edition.date())} (fallback)" if edition else "fallback", None, ""
    tail = f": {doing}" if doing else ""
    if reading.fresh_until is None or shown_state(reading) == "fresh":
        return "", age, " ago"
    since = (reading.now - reading.fresh_until).total_seconds()
    return ("expired " if reading.state == "expired" else "stale "), since, tail


def waiting(reading: Reading, doing: str) -> tuple[str, float | None, str]:
    """Before the first value: the step, and for how long it has been waited for."""
    job = reading.job
    if job is None:
        return doing or "not asked for yet", None, ""
    step = f" ({job.progress})" if job.progress and job.state == "running" else ""
    return f"{doing}{step} for ", max(0.0, (reading.now - job.queued_at).total_seconds()), ""


def activity(reading: Reading) -> str:
    """What is being done about it, in a few words; empty when nothing is."""
    job, setback = reading.job, reading.setback
    if job is not None and job.state == "running":
        return "fetching"
    if job is not None and reading.blockage is not None:
        return f"waiting for {reading.blockage.reason}, {words.clock(reading.blockage.until, reading.now)}"
    if setback is not None and setback.needs_operator:
        return f"{setback.code.replace('_', ' ')}, an operator must look"
    if setback is not None:
        return f"{setback.code.replace('_', ' ')}, next try {words.clock(setback.retry_at, reading.now)}"
    if job is not None and job.state == "parked" and job.run_at:
        return f"waiting, {words.clock(job.run_at, reading.now)}"
    return WAITING.get(job.state, "") if job is not None else ""


def facts(reading: Reading) -> list[tuple[str, str]]:
    """The lines of the panel: source, times, price of the answer, and the work under way."""
    provenance = reading.provenance or {}
    lines: list[tuple[str, str]] = []
    if provenance:
        operation = provenance.get("operation")
        lines.append(("Source", source(provenance) + (f", {operation}" if operation else "")))
        if provenance.get("host"):
            lines.append(("Asked at", str(provenance["host"])))
    if provenance.get("synthetic"):
        lines.append(("Synthetic", str(provenance["synthetic"])))
    if reading.source_time:
        lines.append(("As of", words.exchange_time(reading.source_time)))
    times = (
        ("Checked", reading.checked_at),
        ("Changed", reading.changed_at),
        ("Fresh until", reading.fresh_until),
        ("Kept until", reading.stale_until),
    )
    lines += [(name, words.clock(at, reading.now)) for name, at in times if at]
    if reading.version:
        lines.append(("Cost", words.money(reading.cost_micro)))
    lines.append(("Work", work(reading)))
    if reading.setback:
        lines.append(("Last setback", f"{words.clock(reading.setback.at, reading.now)}: {reading.setback.message}"))
    return lines


def work(reading: Reading) -> str:
    """The live job, if there is one."""
    job = reading.job
    if job is None:
        return "none under way"
    name = f"{WAITING.get(job.state, job.state)}, job {job.id}"
    if job.state != "running" and job.run_at and job.run_at > reading.now:
        name += f", from {words.clock(job.run_at, reading.now)}"
    return f"{name}, attempt {job.attempt}" if job.attempt else name


def source(provenance: Mapping[str, object]) -> str:
    """Who was asked, by the name people know."""
    provider = str(provenance.get("provider") or "")
    return SOURCES.get(provider, provider)
