"""Every call that arrived at any simulator, in order, and what was billed for it, so that a test can assert money.

All amounts are whole numbers: millionths of a US dollar, credits, calls, bytes, microseconds.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import dataclass, field, fields
from itertools import islice
from pathlib import Path
from typing import Any

from openbell.sandbox.journal import Journal

ENTRIES_MAX = 100_000
ENTRIES_PER_ANSWER_MAX = 10_000
FILE_BYTES_MAX = 64_000_000
MICRO = 1_000_000


@dataclass(slots=True)
class Entry:
    """One call.

    `group` is the path with placeholders for ids: what the totals are kept by. `arrived` is in microseconds since the
    epoch. `status` is None until the call is answered, and stays None if it never is. `reference` is what the provider
    calls the thing that the call made or asked for (a run, a batch, a mail).
    """

    n: int
    arrived: int
    provider: str
    operation: str
    path: str
    group: str
    symbols: list[str] = field(default_factory=list)
    idempotency_key: str | None = None
    reference: str | None = None
    status: int | None = None
    bytes: int = 0
    billed_usd_micro: int = 0
    billed_credits: int = 0
    billed_calls: int = 0

    @property
    def billed(self) -> bool:
        """Whether anything was charged for the call."""
        return self.billed_usd_micro > 0 or self.billed_credits > 0 or self.billed_calls > 0

    def fields(self) -> dict[str, Any]:
        """The entry as the file keeps it."""
        return {name: getattr(self, name) for name in _FIELDS}

    def as_json(self) -> dict[str, Any]:
        """The entry as /_control/ledger shows it."""
        return {**self.fields(), "billed": self.billed, "received_at": self.arrived / MICRO}


_FIELDS = tuple(field.name for field in fields(Entry))


class Ledger:
    """Keeps the last 100,000 entries; the totals cover every call since the last reset.

    With a path all of it outlives the process, even one that is killed: only calls that were neither billed nor
    answered by then are forgotten. The file holds what memory holds: it is written anew when it has grown.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._journal = Journal(path, "the sandbox's ledger")
        self._last = 0
        self._forget()
        for line in self._journal.load():
            self._restore(line)

    def reset(self) -> None:
        """Forget everything but the numbering."""
        self._forget()
        self._compact()

    def open(self, arrived: int, provider: str, path: str, **about: Any) -> Entry:
        """Enter a call as it arrives. `about`: operation, group, symbols, idempotency_key, reference."""
        self._last += 1
        named: dict[str, Any] = {"operation": path, "group": path, **about}
        entry = Entry(self._last, arrived, provider, path=path, **named)
        self._entries.append(entry)
        self._totals.arrived(entry)
        self._totals.named(entry)
        return entry

    def name(self, entry: Entry, symbols: list[str]) -> None:
        """Note the symbols of a call that was entered without them."""
        entry.symbols = symbols
        self._totals.named(entry)

    def bill(self, entry: Entry, *, usd_micro: int = 0, credits: int = 0, calls: int = 0) -> None:  # noqa: A002
        """Charge for the call, on top of what was charged for it already; a negative amount takes some back."""
        before = entry.billed
        entry.billed_usd_micro += usd_micro
        entry.billed_credits += credits
        entry.billed_calls += calls
        if min(entry.billed_usd_micro, entry.billed_credits, entry.billed_calls) < 0:
            raise ValueError(f"entry {entry.n} of the ledger would be billed less than nothing")
        if self._covers(entry):
            self._totals.billed(entry, entry.billed - before, usd_micro, credits, calls)
            self._write(entry)

    def close(self, entry: Entry, status: int | None, body_bytes: int) -> None:
        """Note the answer, or with status None that there was none."""
        entry.status, entry.bytes = status, body_bytes
        if self._covers(entry):
            self._totals.answered(entry)
            self._write(entry)

    def find(self, provider: str, reference: str) -> Entry | None:
        """The first of the kept entries that bears a reference: the call that made the thing."""
        return next((e for e in self._entries if e.reference == reference and e.provider == provider), None)

    def as_json(self, since: int = 0, provider: str | None = None) -> dict[str, Any]:
        """Entries with n > since, oldest first (at most 10,000: `more` tells), and the totals of all providers."""
        skip = max(0, since - self._entries[0].n + 1) if self._entries else 0
        wanted = (e for e in islice(self._entries, skip, None) if provider in (None, e.provider))
        shown = list(islice(wanted, ENTRIES_PER_ANSWER_MAX))
        return {
            "entries": [entry.as_json() for entry in shown],
            "more": next(wanted, None) is not None,
            "last": self._last,
            "totals": self._totals.as_json(),
        }

    def end(self) -> None:
        """Let go of the file."""
        self._journal.close()

    def _forget(self) -> None:
        self._entries: deque[Entry] = deque(maxlen=ENTRIES_MAX)
        self._first = self._last
        self._totals = Totals()

    def _covers(self, entry: Entry) -> bool:
        """False for a call that arrived before the last reset and ends only now."""
        return entry.n > self._first

    def _write(self, entry: Entry) -> None:
        self._journal.append(entry.fields())
        if self._journal.bytes > FILE_BYTES_MAX:
            self._compact()

    def _compact(self) -> None:
        head = {"last": self._last, "first": self._first, "totals": self._totals.as_json()}
        self._journal.rewrite([head, *({"kept": entry.fields()} for entry in self._entries)])

    def _restore(self, line: dict[str, Any]) -> None:
        if "totals" in line:
            self._last, self._first, self._totals = line["last"], line["first"], Totals(line["totals"])
            return
        entry = Entry(**line.get("kept", line))
        self._last = max(self._last, entry.n)
        known = next((i for i in range(len(self._entries) - 1, -1, -1) if self._entries[i].n == entry.n), None)
        if known is None:
            self._entries.append(entry)
        else:
            was, self._entries[known] = self._entries[known], entry
            self._totals.replace(was)
        if "kept" not in line:
            self._totals.replay(entry)


class Totals:
    """Sums over all calls since the last reset."""

    ROWS_MAX = 10_000  # unknown symbols and paths come from outside

    def __init__(self, kept: dict[str, Any] | None = None) -> None:
        kept = kept or {}
        self._sums: dict[str, int] = {name: kept.get(name, 0) for name in ("calls", "billed", "bytes")}
        self._by_status: Counter[str] = Counter(kept.get("by_status", {}))
        self._by_path: dict[str, dict[str, int]] = kept.get("by_path", {})
        self._by_symbol: dict[str, dict[str, int]] = kept.get("by_symbol", {})
        self._by_provider: dict[str, dict[str, int]] = kept.get("by_provider", {})

    def arrived(self, entry: Entry, sign: int = 1) -> None:
        """Count a call."""
        self._sums["calls"] += sign
        for rows, name in ((self._by_path, entry.group), (self._by_provider, entry.provider)):
            self._row(rows, name)["calls"] += sign

    def named(self, entry: Entry, sign: int = 1) -> None:
        """Count a call for each of its symbols."""
        for symbol in entry.symbols:
            self._row(self._by_symbol, symbol, "calls", "billed")["calls"] += sign

    def billed(self, entry: Entry, billed: int, usd_micro: int, credits: int, calls: int) -> None:  # noqa: A002
        """Add what was charged; `billed` is 1 when the call was not charged before, -1 when all was taken back."""
        self._sums["billed"] += billed
        self._row(self._by_path, entry.group)["billed"] += billed
        for symbol in entry.symbols:
            self._row(self._by_symbol, symbol, "calls", "billed")["billed"] += billed
        row = self._row(self._by_provider, entry.provider)
        row["billed"] += billed
        for name, amount in (("usd_micro", usd_micro), ("credits", credits), ("calls", calls)):
            row[f"billed_{name}"] = row.get(f"billed_{name}", 0) + amount

    def answered(self, entry: Entry, sign: int = 1) -> None:
        """Count an answer."""
        if entry.status is not None:
            self._by_status[str(entry.status)] += sign
        self._sums["bytes"] += sign * entry.bytes
        for rows, name in ((self._by_path, entry.group), (self._by_provider, entry.provider)):
            self._row(rows, name)["bytes"] += sign * entry.bytes

    def replay(self, entry: Entry, sign: int = 1) -> None:
        """Count an entry that was read from the file."""
        self.arrived(entry, sign)
        self.named(entry, sign)
        amounts = entry.billed_usd_micro, entry.billed_credits, entry.billed_calls
        self.billed(entry, sign * entry.billed, *(sign * amount for amount in amounts))
        self.answered(entry, sign)

    def replace(self, was: Entry) -> None:
        """Take an entry out again."""
        self.replay(was, -1)

    def as_json(self) -> dict[str, Any]:
        """All sums."""
        return {
            **self._sums,
            "by_status": {status: count for status, count in self._by_status.items() if count},
            "by_path": self._by_path,
            "by_symbol": self._by_symbol,
            "by_provider": self._by_provider,
        }

    def _row(self, rows: dict[str, dict[str, int]], name: str, *names: str) -> dict[str, int]:
        if name not in rows and len(rows) >= self.ROWS_MAX:
            return Counter()
        return rows.setdefault(name, dict.fromkeys(names or ("calls", "billed", "bytes"), 0))


def micro(seconds: float) -> int:
    """Seconds of the epoch in whole microseconds."""
    return round(seconds * MICRO)


def symbols_of(texts: Iterable[str]) -> list[str]:
    """Symbols as a simulator names them: stripped, in capitals, each once."""
    return list(dict.fromkeys(text.strip().upper() for text in texts if text.strip()))
