"""Scripted misbehaviour: which calls it meets, and what it does to them."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from openbell.sandbox import refusals
from openbell.sandbox.refusals import Refusal

RefusalKind = Literal[
    "unauthorized",
    "restricted_endpoint",
    "premium_symbol",
    "premium_limit",
    "exclusive",
    "legacy",
    "suspended",
    "limit",
    "bandwidth",
    "limit_in_200",
    "html502",
]
RowKind = Literal["empty", "truncate", "nulls", "older"]
WireKind = Literal["slow", "hang", "drop"]
Kind = RefusalKind | RowKind | WireKind

REFUSALS: Mapping[Kind, Refusal] = {
    "unauthorized": refusals.UNAUTHORIZED,
    "restricted_endpoint": refusals.RESTRICTED_ENDPOINT,
    "premium_symbol": refusals.PREMIUM_SYMBOL,
    "premium_limit": refusals.PREMIUM_LIMIT,
    "exclusive": refusals.EXCLUSIVE,
    "legacy": refusals.LEGACY,
    "suspended": refusals.SUSPENDED,
    "limit": refusals.LIMIT,
    "bandwidth": refusals.BANDWIDTH,
    "limit_in_200": refusals.LIMIT_IN_200,
    "html502": refusals.HTML_502,
}
FAULTS_MAX = 1_000
SECONDS_MAX = 3_600.0


class FaultSpec(BaseModel):
    """What a tester asks for.

    path     glob on the path below /stable/, such as `quote` or `historical-price-eod/*`
    symbol   only calls that name it; None for all
    times    how many calls it meets; None until cleared
    seconds  wait so long before the effect (any kind; it is all that `slow` does)
    rows     truncate: how many rows are left
    days     older: the answer is as of so many market days ago
    """

    model_config = ConfigDict(extra="forbid")

    path: str = Field(default="*", min_length=1, max_length=200)
    symbol: str | None = Field(default=None, max_length=50)
    kind: Kind
    times: int | None = Field(default=None, ge=1)
    seconds: float = Field(default=0.0, ge=0.0, le=SECONDS_MAX)
    rows: int = Field(default=250, ge=0)
    days: float = Field(default=1.0, gt=0.0, le=1_000.0)

    @model_validator(mode="after")
    def _slow_needs_seconds(self) -> Self:
        if self.kind == "slow" and self.seconds == 0:
            raise ValueError("slow needs seconds above 0")
        return self


class Fault:
    """A fault in force. `cleared` is set once it has been withdrawn."""

    def __init__(self, number: int, spec: FaultSpec) -> None:
        self.id = number
        self.spec = spec
        self.hits = 0
        self.cleared = asyncio.Event()

    def meets(self, path: str, symbols: list[str]) -> bool:
        """Whether a call is one of those the fault is for."""
        spec = self.spec
        if spec.times is not None and self.hits >= spec.times:
            return False
        if spec.symbol is not None and spec.symbol.upper() not in symbols:
            return False
        return fnmatchcase(path, spec.path.removeprefix("/stable/"))

    def touches(self, symbol: str) -> bool:
        """Whether it changes this symbol's row of a batch."""
        return self.spec.symbol is None or self.spec.symbol.upper() == symbol

    def as_json(self) -> dict[str, object]:
        """The request as given, with id and hits."""
        return {"id": self.id, "hits": self.hits, **self.spec.model_dump()}


class FaultBook:
    """The faults in force. The first one that meets a call takes it; a used-up one stays listed but meets nothing."""

    def __init__(self) -> None:
        self._faults: dict[int, Fault] = {}
        self._last = 0

    def add(self, spec: FaultSpec) -> Fault:
        """Put a fault in force for the next call. Raises OverflowError when 1,000 are in force already."""
        if len(self._faults) >= FAULTS_MAX:
            raise OverflowError(f"{FAULTS_MAX} faults are in force; clear some first")
        self._last += 1
        fault = self._faults[self._last] = Fault(self._last, spec)
        return fault

    def take(self, path: str, symbols: list[str]) -> Fault | None:
        """The fault that this call meets, if any; counts as a hit."""
        for fault in self._faults.values():
            if fault.meets(path, symbols):
                fault.hits += 1
                return fault
        return None

    def clear(self, number: int | None = None) -> int:
        """Withdraw one fault, or all; hanging calls go on. Returns how many there were."""
        numbers = list(self._faults) if number is None else [number]
        gone = [self._faults.pop(n) for n in numbers if n in self._faults]
        for fault in gone:
            fault.cleared.set()
        return len(gone)

    def as_json(self) -> list[dict[str, object]]:
        """All faults in force, oldest first."""
        return [fault.as_json() for fault in self._faults.values()]
