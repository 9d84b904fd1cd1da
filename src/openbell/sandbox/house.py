"""What all simulators of one sandbox share: the time, the replayed market, the faults, the ledger, the accepted key."""

from __future__ import annotations

import asyncio
import hmac
import time
from dataclasses import replace
from pathlib import Path

from openbell.sandbox.clock import Anchor, Moment, moment
from openbell.sandbox.faults import FaultBook
from openbell.sandbox.journal import Store
from openbell.sandbox.ledger import Ledger
from openbell.sandbox.replay import Market


class Wall:
    """Epoch seconds that never go back while the process lives, even if somebody sets the machine's clock.

    They can be put ahead of the real time; a restart comes back to it.
    """

    def __init__(self) -> None:
        self._offset = time.time() - time.monotonic()

    def __call__(self) -> float:
        """Epoch seconds now."""
        return self._offset + time.monotonic()

    def advance(self, seconds: float) -> None:
        """From now on it is so much later."""
        self._offset += seconds


class House:
    """The shared state. `closing` is set when the sandbox ends; whoever waits for anything waits for that too.

    state: the file that keeps the clock; what else is kept lies beside it and begins with its name.
    """

    def __init__(self, market: Market, anchor: Anchor, *, key: str, wall: Wall, state: Path | None) -> None:
        self.market = market
        self.anchor = anchor
        self.wall = wall
        self.closing = asyncio.Event()
        self.faults = FaultBook()
        self.ports: dict[str, int] = {}
        self._state = state
        self._key = key.encode()
        self._stores: list[Store] = []
        self.ledger = Ledger(self.beside("ledger"))

    def moment(self, days_ago: float = 0.0) -> Moment:
        """The market moment now, or so many market days ago."""
        return moment(self.market.calendar, self.anchor.position_at(self.wall()) - days_ago)

    def advance(self, seconds: float) -> None:
        """Make it later for everything but the replayed market, which has a pace of its own."""
        anchor = self.anchor.moved(self.wall())
        self.wall.advance(seconds)
        self.anchor = replace(anchor, wall=self.wall())

    def knows(self, key: str) -> bool:
        """Whether a key is the accepted one."""
        return hmac.compare_digest(key.encode(), self._key)

    def beside(self, name: str) -> Path | None:
        """The file beside the state file for what is called `name`, or None when nothing shall be kept."""
        return self._state and self._state.with_name(f"{self._state.stem}-{name}.jsonl")

    def store(self, name: str) -> Store:
        """Records of a simulator that outlive the process when there is a state file."""
        store = Store(self.beside(name), f"the sandbox's records of {name}")
        self._stores.append(store)
        return store

    def close(self) -> None:
        """Let go of all files."""
        self.ledger.end()
        for store in self._stores:
            store.close()
