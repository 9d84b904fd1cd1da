"""What was seen from outside during a run: an append-only record, in memory and line by line in a file."""

from __future__ import annotations

import json
import time
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
    _by_kind: dict[str, list[dict[str, Any]]] = field(default_factory=dict)

    def add(self, kind: str, **what: Any) -> None:
        """Note one fact, now."""
        fact = {"kind": kind, "at": time.time(), **what}
        self.keep(fact)
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(fact, default=str) + "\n")

    def keep(self, fact: dict[str, Any]) -> None:
        """Remember a fact that is in the file already."""
        self.facts.append(fact)
        self._by_kind.setdefault(fact["kind"], []).append(fact)

    def of(self, *kinds: str) -> list[dict[str, Any]]:
        """The facts of these kinds, oldest first."""
        found = [fact for kind in kinds for fact in self._by_kind.get(kind, ())]
        return found if len(kinds) == 1 else sorted(found, key=lambda fact: float(fact["at"]))

    def count(self, kind: str) -> int:
        """How many facts of a kind there are."""
        return len(self._by_kind.get(kind, ()))

    def engine_time(self, at: float) -> float | None:
        """The engine's clock at a real time, in seconds since the epoch; None while it was being moved."""
        shift = 0.0
        for jump in self.of("jump"):
            if jump["began"] <= at <= jump["at"]:
                return None
            if at > jump["at"]:
                shift += jump["seconds"]
        return at + shift
