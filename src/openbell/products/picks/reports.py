"""What a week of picks has cost, by person, and whether anything was paid for twice; it must add up with the ledger."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any

from openbell.engine.database import Db
from openbell.products.picks.database import SQL


@dataclass(frozen=True, slots=True)
class Line:
    """One edition: paid answers, how many of them were one too many, micro-dollars, tokens, seconds."""

    edition: str
    person_id: int | None
    week: date
    status: str
    reason: str
    paid: int
    duplicates: int
    cost_micro: int
    price_unknown: int
    input_tokens: int
    output_tokens: int
    models: str | None
    longest_s: float | None


@dataclass(frozen=True, slots=True)
class Costs:
    """A week: its lines, and what the ledger has settled for it. ``unknown`` are spends whose end nobody knows."""

    week: date
    lines: list[Line]
    ledger_micro: int
    unknown: int
    open: int

    @property
    def cost_micro(self) -> int:
        """What the answers cost together."""
        return sum(line.cost_micro for line in self.lines)

    @property
    def duplicates(self) -> int:
        """Paid answers beyond the one that an edition may have."""
        return sum(line.duplicates for line in self.lines)

    @property
    def adds_up(self) -> bool:
        """Whether answers and ledger say the same; not told while something is open or has no price."""
        return self.cost_micro == self.ledger_micro

    def as_json(self) -> dict[str, Any]:
        """For programs; money in micro-dollars."""
        rows = [
            {name: getattr(line, name) for name in Line.__slots__} | {"week": str(line.week)} for line in self.lines
        ]
        sums = {"cost_micro": self.cost_micro, "ledger_micro": self.ledger_micro, "duplicates": self.duplicates}
        state = {"unknown": self.unknown, "open": self.open, "adds_up": self.adds_up}
        return {"week": str(self.week), **sums, **state, "editions": rows}


async def costs(db: Db, week: date) -> Costs:
    """The report of a week."""
    rows = await db.fetch(SQL.get("report_costs"), week)
    ledger = await db.fetchrow(SQL.get("sum_ledger"), week)
    assert ledger is not None
    return Costs(week, [Line(**row) for row in rows], ledger["settled"], ledger["unknown"], ledger["open"])
