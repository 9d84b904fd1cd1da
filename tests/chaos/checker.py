"""Holds what happened in a run to the promises, and counts it."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tests.chaos.history import History
from tests.chaos.rules import RULES, Final, late_calls
from tests.chaos.world import TIMEOUT_S

RECOVERY_S = 15.0
"""Within so many seconds a lost worker's jobs are free again, with the engine's own leases."""
RECONNECT_S = 8.0
"""What a crash of the database may add to it, besides the time that the database was away."""
LONGEST_CLAIM_S = 30.0
"""Beyond its time limit no attempt of ours runs longer, with every grace counted."""


@dataclass(frozen=True, slots=True)
class Report:
    """The figures of a run, and every broken promise as (rule, what was seen)."""

    figures: Mapping[str, Any]
    violations: Sequence[tuple[str, str]]

    @property
    def broken(self) -> Counter[str]:
        """How often each rule was broken."""
        return Counter(rule for rule, _ in self.violations)


def check(history: History, final: Final, plan: Any) -> Report:
    """Hold what happened to the promises."""
    recoveries = list(_recoveries(history, final, plan.pace))
    violations: list[tuple[str, str]] = []
    for name, rule in RULES.items():
        violations += [(name, seen) for seen in rule(history, final)]
    violations += _late(recoveries, plan.slack_s)
    violations += _held_too_long(history, final, plan)
    return Report(_figures(history, final, recoveries, violations, plan), violations)


def _figures(
    history: History, final: Final, recoveries: Sequence[tuple[float, float, str]], violations: Sequence[Any], plan: Any
) -> dict[str, Any]:
    events = Counter(event["kind"] for event in final["event"])
    faults = Counter(fact["kind"] for fact in history.facts)
    return {
        "seed": plan.seed, "seconds": plan.seconds, "workers": plan.workers, "mutant": plan.mutant,
        "jobs": events["accepted"], "attempts": events["claimed"], "published": events["published"],
        "calls": faults["call"], "sales": faults["sale"],
        "outcomes": dict(Counter(job["outcome"] for job in final["ended"])),
        "kills": faults["kill"], "freezes": faults["freeze"], "crashes": faults["crash"], "cuts": faults["cut"],
        "jumps": faults["jump"], "drains": faults["left"],
        "rescues": sum(1 for e in final["event"] if e["kind"] == "freed" and e["word"] == "process_gone")
        + sum(1 for job in final["ended"] if job["code"] == "outcome_unknown"),
        "unknown_spends": sum(1 for spend in final["spend"] if spend["state"] == "unknown"),
        "late_calls": len(late_calls(history, final)),
        "max_recovery_s": round(max((taken for taken, _, _ in recoveries), default=0.0), 2),
        "longest_stall_s": round(max((fact["seconds"] for fact in history.of("stall")), default=0.0), 2),
        "violations": len(violations),
    }  # fmt: skip


# Times


def _claims(final: Final) -> Iterator[tuple[Mapping[str, Any], Mapping[str, Any] | None]]:
    """Each claim with the event that ended it."""
    under_way: dict[int, Mapping[str, Any]] = {}
    for event in final["event"]:
        if event["kind"] in ("freed", "ended", "stolen", "claimed"):
            begun = under_way.pop(event["job"], None)
            if begun is not None:
                yield begun, event
            if event["kind"] in ("claimed", "stolen"):
                under_way[event["job"]] = event
    yield from ((begun, None) for begun in under_way.values())


def _recoveries(history: History, final: Final, pace: float) -> Iterator[tuple[float, float, str]]:
    """For each claim that a killed or frozen process held: how long until it was free, what was allowed, and which."""
    leases: dict[str, set[int]] = defaultdict(set)
    for event in final["event"]:
        if event["kind"] == "hired":
            leases[event["word"]].add(event["worker"])
    claims = defaultdict(list)
    for begun, over in _claims(final):
        claims[begun["worker"]].append((begun, over))
    end = history.facts[-1]["at"] if history.facts else 0.0
    for fault in history.of("kill", "freeze"):
        thaws = (f["at"] for f in history.of("thaw") if f["worker"] == fault["worker"] and f["at"] >= fault["at"])
        thawed = next(thaws, end)
        for begun, over in (claim for worker in leases[fault["worker"]] for claim in claims[worker]):
            until = over["at"] if over is not None else end
            if begun["at"] > fault["at"] or until <= fault["at"] or (fault["kind"] == "freeze" and until > thawed):
                continue
            yield until - fault["at"], RECOVERY_S * pace + _excuse(history, fault["at"], until), f"{fault} {begun}"


def _excuse(history: History, since: float, until: float) -> float:
    """What the database's absence and the machine's stalls within a time account for."""
    excused, gone = 0.0, None
    for fact in history.of("crash", "back", "stall"):
        if fact["kind"] == "crash":
            gone = fact["at"]
        elif fact["kind"] == "back" and gone is not None and fact["at"] >= since and gone <= until:
            excused += fact["at"] - gone + RECONNECT_S
        elif fact["kind"] == "stall" and since <= fact["at"] <= until:
            excused += fact["seconds"]
    return excused


def _late(recoveries: Sequence[tuple[float, float, str]], slack: float) -> list[tuple[str, str]]:
    return [
        ("leases end", f"{taken:.1f} s of {allowed:.1f}: {what}")
        for taken, allowed, what in recoveries
        if taken > allowed + slack
    ]


def _held_too_long(history: History, final: Final, plan: Any) -> list[tuple[str, str]]:
    """No claim stays longer than an attempt can run, whatever became of its process."""
    end = history.facts[-1]["at"] if history.facts else 0.0
    found = []
    for begun, over in _claims(final):
        until = over["at"] if over is not None else end
        taken, allowed = until - begun["at"], LONGEST_CLAIM_S + TIMEOUT_S * plan.pace + plan.slack_s
        if taken > allowed and taken > allowed + (excused := _excuse(history, begun["at"], until)):
            found.append(("leases end", f"held for {taken:.1f} s of {allowed + excused:.1f}: {begun}"))
    return found
