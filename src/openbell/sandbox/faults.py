"""Scripted misbehaviour: which calls it meets, and what it does to them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

# What every simulator can do to a call, by what the client sees:
#   slow    the answer comes `seconds` late; the call was accepted and billed when it arrived
#   hang    no answer until the fault is cleared; accepted and billed
#   reset   the connection closes before the call is accepted: nothing is made, nothing billed
#   drop    accepted, made and billed, then the connection closes without an answer
#   cut     accepted and billed, then the connection closes in the middle of the answer
#   stall   half of the answer, then silence for `seconds` (0: until cleared), then the rest
WIRE_KINDS = frozenset(("slow", "hang", "reset", "drop", "cut", "stall"))
WireKind = Literal["slow", "hang", "reset", "drop", "cut", "stall"]
FAULTS_MAX = 1_000
SECONDS_MAX = 3_600.0


class FaultSpec(BaseModel):
    """What a tester asks for.

    provider  which simulator
    path      glob on the path below its mount, such as `quote`, `v1/agent` or `historical-price-eod/*`
    symbol    only calls that name it; None for all
    match     only calls that have this text in their path, query or body; None for all
    kind      one of WIRE_KINDS, or of the simulator's own
    times     how many calls it meets; None until cleared
    skip      how many calls pass by before the first one that is met
    seconds   wait so long before the effect (it is all that `slow` does), or what the kind itself measures in seconds
    rows      FMP's truncate: how many rows are left
    days      FMP's older: the answer is as of so many market days ago
    retry_after_s  what the answer's retry-after header says, where the kind has one
    amount    a number of the tester's own (micro-dollars, tokens), where the kind takes one
    text      words of the tester's own, where the kind takes any
    """

    model_config = ConfigDict(extra="forbid")

    provider: str = "fmp"
    path: str = Field(default="*", min_length=1, max_length=200)
    symbol: str | None = Field(default=None, max_length=50)
    match: str | None = Field(default=None, min_length=1, max_length=1_000)
    kind: str
    times: int | None = Field(default=None, ge=1)
    skip: int = Field(default=0, ge=0)
    seconds: float = Field(default=0.0, ge=0.0, le=SECONDS_MAX)
    rows: int = Field(default=250, ge=0)
    days: float = Field(default=1.0, gt=0.0, le=1_000.0)
    retry_after_s: float | None = Field(default=None, ge=0.0, le=SECONDS_MAX)
    amount: int | None = Field(default=None, ge=0, le=10**12)
    text: str | None = Field(default=None, max_length=5_000)

    @model_validator(mode="after")
    def _slow_needs_seconds(self) -> Self:
        if self.kind == "slow" and self.seconds == 0:
            raise ValueError("slow needs seconds above 0")
        return self


class Fault:
    """A fault in force. `cleared` is set once it has been withdrawn."""

    def __init__(self, number: int, spec: FaultSpec, mount: str) -> None:
        self.id = number
        self.spec = spec
        self.hits = 0
        self.cleared = asyncio.Event()
        self._glob = spec.path.removeprefix(f"{mount}/").removeprefix("/")
        self._passed = 0

    @property
    def kind(self) -> str:
        """What it does."""
        return self.spec.kind

    def meets(self, path: str, symbols: Iterable[str], text: str) -> bool:
        """Whether a call is one of those the fault is for."""
        spec = self.spec
        if spec.times is not None and self.hits >= spec.times:
            return False
        if spec.symbol is not None and spec.symbol.upper() not in symbols:
            return False
        if spec.match is not None and spec.match not in text:
            return False
        if not fnmatchcase(path, self._glob):
            return False
        self._passed += 1
        return self._passed > spec.skip

    def touches(self, symbol: str) -> bool:
        """Whether it changes this symbol's part of an answer for several."""
        return self.spec.symbol is None or self.spec.symbol.upper() == symbol

    def as_json(self) -> dict[str, object]:
        """The request as given, with id and hits."""
        return {"id": self.id, "hits": self.hits, **self.spec.model_dump()}


class FaultBook:
    """The faults in force. The first one that meets a call takes it; a used-up one stays listed but meets nothing."""

    def __init__(self) -> None:
        self._faults: dict[int, Fault] = {}
        self._last = 0
        self._kinds: dict[str, frozenset[str]] = {}
        self._mounts: dict[str, str] = {}

    def admit(self, provider: str, mount: str, kinds: Iterable[str]) -> None:
        """From now on there is a simulator with fault kinds of its own."""
        self._kinds[provider] = WIRE_KINDS | frozenset(kinds)
        self._mounts[provider] = mount

    @property
    def kinds(self) -> Mapping[str, list[str]]:
        """What can be scripted, by provider."""
        return {provider: sorted(kinds) for provider, kinds in self._kinds.items()}

    def add(self, spec: FaultSpec) -> Fault:
        """Put a fault in force for the next call.

        Raises ValueError for a provider or kind that does not exist, OverflowError when 1,000 are in force already.
        """
        if spec.provider not in self._kinds:
            raise ValueError(
                f"provider: there is no simulator {spec.provider!r}, only {', '.join(sorted(self._kinds))}"
            )
        if spec.kind not in self._kinds[spec.provider]:
            known = ", ".join(sorted(self._kinds[spec.provider]))
            raise ValueError(f"kind: {spec.provider} has no fault {spec.kind!r}, only {known}")
        if len(self._faults) >= FAULTS_MAX:
            raise OverflowError(f"{FAULTS_MAX} faults are in force; clear some first")
        self._last += 1
        fault = self._faults[self._last] = Fault(self._last, spec, self._mounts[spec.provider])
        return fault

    def take(self, provider: str, path: str, symbols: Iterable[str] = (), text: str = "") -> Fault | None:
        """The fault that this call meets, if any; counts as a hit."""
        for fault in self._faults.values():
            if fault.spec.provider == provider and fault.meets(path, symbols, text):
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
