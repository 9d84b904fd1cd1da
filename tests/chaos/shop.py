"""A provider's own books: what it has sold and charged, by whom it was asked. It forgets nothing, and knows no engine.

It de-duplicates on the idempotency key of a request that says ``dedupe``; other requests it serves as often as they
come. It can be asked for the sale under a key, and for a sale by its name. What the buyer says of himself (job, step,
spend) is written down and never looked at; whether he came after the time that he had for it is noted.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Any

DEAREST = 1_000
"""The most that a sale usually costs, in micro-dollars; a few cost more."""
WORK_S = 0.03
"""How long a run in the background takes."""


@dataclass(slots=True)
class Shop:
    """The books of one run. ``moody`` is the share of requests that end otherwise than they should."""

    random: Random
    moody: float = 0.0
    sales: list[dict[str, Any]] = field(default_factory=list)
    _by_key: dict[str, dict[str, Any]] = field(default_factory=dict)
    _by_ref: dict[str, dict[str, Any]] = field(default_factory=dict)

    def buy(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        """Sell it, unless this is not the day for it."""
        key = asked.get("key")
        if asked.get("dedupe") and key in self._by_key:
            return self._told(self._by_key[key])
        mood = self.random.random() / self.moody if self.moody else 1.0
        if mood < 0.4:
            return {"status": "refused"}
        if mood < 0.6:
            return {"status": "outage"}
        sale = self._sell(key, asked)
        return {"status": "outage"} if mood < 1.0 else self._told(sale)

    def find(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        """The sale under a key; None as its name where there is none."""
        sale = self._by_key.get(asked["key"])
        return {"status": "ok", "ref": None} if sale is None else self._told(sale)

    def look(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        """A sale by its name."""
        return self._told(self._by_ref[asked["ref"]])

    def _sell(self, key: str | None, asked: Mapping[str, Any]) -> dict[str, Any]:
        cost = self.random.randint(1, DEAREST)
        if self.moody and self.random.random() < self.moody / 4:
            cost += DEAREST
        sale = {"ref": f"sale-{len(self.sales) + 1}", "cost": cost * (asked["effect"] != "repeat"), "key": key}
        now = time.time()
        sale |= {"at": now, "late": now > asked["until"]}
        sale |= {name: asked[name] for name in ("job", "name", "step", "spend", "effect", "token")}
        self.sales.append(sale)
        self._by_ref[sale["ref"]] = sale
        if key is not None:
            self._by_key.setdefault(key, sale)
        return sale

    def _told(self, sale: Mapping[str, Any]) -> dict[str, Any]:
        return {
            "status": "ok", "ref": sale["ref"], "cost": sale["cost"], "done": time.time() > sale["at"] + WORK_S
        }  # fmt: skip
