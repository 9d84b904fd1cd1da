"""What was seen from outside during a run: an append-only record, in memory and line by line in a file."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(slots=True)
class History:
    """Facts in the order in which they became known, each with ``kind`` and ``at`` (seconds since the epoch).

    ``call`` and ``effect`` come from the outside world, ``accepted``, ``cancelled`` and ``rolled_back`` from the load
    once the database has said yes, ``kill``, ``freeze``, ``thaw``, ``crash``, ``back``, ``jump`` from the faults.
    """

    path: Path
    facts: list[dict[str, Any]] = field(default_factory=list)

    def add(self, kind: str, **what: Any) -> None:
        """Note one fact, now."""
        fact = {"kind": kind, "at": time.time(), **what}
        self.facts.append(fact)
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(fact, default=str) + "\n")

    def of(self, *kinds: str) -> Iterator[dict[str, Any]]:
        """The facts of these kinds, oldest first."""
        return (fact for fact in self.facts if fact["kind"] in kinds)

    def count(self, kind: str) -> int:
        """How many facts of a kind there are."""
        return sum(1 for _ in self.of(kind))

    def engine_time(self, at: float) -> float | None:
        """The engine's clock at a real time, in seconds since the epoch; None while it was being moved."""
        shift = 0.0
        for jump in self.of("jump"):
            if jump["began"] <= at <= jump["at"]:
                return None
            if at > jump["at"]:
                shift += jump["seconds"]
        return at + shift
