"""Every call that arrived, in order, so that a test can assert what was bought."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from itertools import islice
from typing import Any

ENTRIES_MAX = 100_000
ENTRIES_PER_ANSWER_MAX = 10_000


@dataclass(slots=True)
class Entry:
    """One call. `status` is None until it is answered, and stays None if it never is."""

    n: int
    received_at: float
    path: str
    symbols: list[str]
    status: int | None = None
    bytes: int = 0
    billed: bool = False


class Ledger:
    """Keeps the last 100,000 entries; the totals cover every call since the last reset."""

    def __init__(self) -> None:
        self._last = 0
        self.reset()

    def reset(self) -> None:
        """Forget everything but the numbering."""
        self._entries: deque[Entry] = deque(maxlen=ENTRIES_MAX)
        self._first = self._last
        self._billed = 0
        self._bytes = 0
        self._by_path = _Totals("calls", "billed", "bytes")
        self._by_symbol = _Totals("calls", "billed")
        self._by_status: Counter[str] = Counter()

    def open(self, received_at: float, path: str, symbols: list[str]) -> Entry:
        """Enter a call as it arrives."""
        self._last += 1
        entry = Entry(self._last, received_at, path, symbols)
        self._entries.append(entry)
        self._by_path.add([path], "calls", 1)
        self._by_symbol.add(symbols, "calls", 1)
        return entry

    def bill(self, entry: Entry) -> None:
        """Note that the call is charged to the plan."""
        entry.billed = True
        if self._covers(entry):
            self._billed += 1
            self._by_path.add([entry.path], "billed", 1)
            self._by_symbol.add(entry.symbols, "billed", 1)

    def close(self, entry: Entry, status: int, body_bytes: int) -> None:
        """Note the answer."""
        entry.status, entry.bytes = status, body_bytes
        if self._covers(entry):
            self._by_status[str(status)] += 1
            self._bytes += body_bytes
            self._by_path.add([entry.path], "bytes", body_bytes)

    def as_json(self, since: int = 0) -> dict[str, Any]:
        """Entries with n > since, oldest first (at most 10,000: `more` tells), and the totals."""
        skip = max(0, since - self._entries[0].n + 1) if self._entries else 0
        shown = [asdict(entry) for entry in islice(self._entries, skip, skip + ENTRIES_PER_ANSWER_MAX)]
        return {
            "entries": shown,
            "more": len(self._entries) - skip > len(shown),
            "last": self._last,
            "totals": {
                "calls": self._last - self._first,
                "billed": self._billed,
                "bytes": self._bytes,
                "by_status": dict(self._by_status),
                "by_path": self._by_path.rows,
                "by_symbol": self._by_symbol.rows,
            },
        }

    def _covers(self, entry: Entry) -> bool:
        """False for a call that arrived before the last reset and ends only now."""
        return entry.n > self._first


class _Totals:
    """Sums by path or by symbol. Unknown symbols come from outside, so the number of rows has a limit."""

    ROWS_MAX = 10_000

    def __init__(self, *counts: str) -> None:
        self._counts = counts
        self.rows: dict[str, dict[str, int]] = {}

    def add(self, names: Iterable[str], what: str, count: int) -> None:
        for name in names:
            if name in self.rows or len(self.rows) < self.ROWS_MAX:
                row = self.rows.setdefault(name, dict.fromkeys(self._counts, 0))
                row[what] += count
