"""Samples of a figure over the rounds, and what is told of them."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from openbell.bench.targets import Target


@dataclass(slots=True)
class Figures:
    """Everything that a run has measured, by name; a name that is measured in every round has a sample of each."""

    targets: Mapping[str, Target]
    samples: dict[str, list[float]] = field(default_factory=dict)

    def add(self, name: str, value: float) -> None:
        """One more sample."""
        self.samples.setdefault(name, []).append(value)

    def value(self, name: str) -> float:
        """The median of the samples."""
        return statistics.median(self.samples[name])

    @property
    def missed(self) -> list[str]:
        """The figures that miss their target."""
        measured = [name for name in self.targets if name in self.samples]
        return [name for name in measured if not self.targets[name].is_met(self.value(name))]

    def as_json(self) -> dict[str, Any]:
        """Medians by name; the spread of each; what missed its target."""
        return {
            **{name: _short(self.value(name)) for name in self.samples},
            "spread": {
                name: [_short(min(values)), _short(max(values))]
                for name, values in self.samples.items()
                if len(values) > 1
            },
            "missed": self.missed,
        }

    def rows(self) -> list[tuple[str, float, str, str, str]]:
        """For a table: name, median, spread, target, and whether it is met. Figures without target come last."""
        names = [*(n for n in self.targets if n in self.samples), *(n for n in self.samples if n not in self.targets)]
        return [self._row(name) for name in names]

    def _row(self, name: str) -> tuple[str, float, str, str, str]:
        values, target = self.samples[name], self.targets.get(name)
        spread = f"{_short(min(values)):,} to {_short(max(values)):,}" if len(values) > 1 else ""
        verdict = "" if target is None else "ok" if target.is_met(self.value(name)) else "missed"
        return name, _short(self.value(name)), spread, "" if target is None else str(target), verdict


def percentile(values: Sequence[float], percent: float) -> float:
    """The value that ``percent`` of all values do not exceed (nearest rank)."""
    ranked = sorted(values)
    return ranked[max(0, -(-len(ranked) * int(percent * 100) // 10_000) - 1)]


def _short(value: float) -> float:
    """Four significant digits are more than this kind of measuring gives."""
    return float(f"{value:.4g}") if abs(value) < 1_000 else round(value)
