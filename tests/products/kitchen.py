"""Where products are made, one at a time: the producer itself, with clients that speak over sockets."""

from __future__ import annotations

import itertools
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import asyncpg
from pydantic import BaseModel

from openbell.engine.errors import ProducerError
from openbell.engine.registry import Calls
from openbell.products import registry
from openbell.products.context import Context
from openbell.products.sources import Connections, Source, limits_of
from tests.engine.hand import Hand, declare, queue
from tests.providers.scripted import Scripted, http, serving

PRODUCTS = registry()
CONTACT = "Openbell tests tests@openbell.example"
_numbers = itertools.count(1)

Rows = list[dict[str, Any]]


@dataclass
class Kitchen:
    """Makes products; each within an attempt of its own."""

    pool: asyncpg.Pool
    hand: Hand
    sources: Mapping[str, Source]
    opened: dict[str, Connections] = field(default_factory=dict)

    @classmethod
    async def open(cls, pool: asyncpg.Pool, sources: Mapping[str, Source]) -> Kitchen:
        """Hire a worker who may ask these sources."""
        asking = declare("asking", spends={"fmp": Calls(1)}, max_attempts=20)
        return cls(pool, await Hand.hire(pool, asking, limits=limits_of(sources)), sources)

    async def make(self, product: str, key: str = "AAPL", *, plan: str = "premium", again: str | None = None) -> Any:
        """The value as it would be stored. With ``again``, the next attempt at the job of that name."""
        one = PRODUCTS.get(product)
        await queue(self.pool, again or f"{product} {next(_numbers)}", name="asking")
        [claim] = await self.hand.claim()
        connections = self._connections(plan)
        attempt = self.hand.attempt(claim)
        try:
            value = await one.producer(one.key.parse(key), Context(attempt, connections))
        except ProducerError:
            if again:
                await self.hand.end(claim, "wait", settle=attempt.take_ended())
            raise
        assert isinstance(value, BaseModel)
        return value.model_dump(mode="json")

    @asynccontextmanager
    async def answered(self, rows: Rows | Mapping[str, Any]) -> AsyncIterator[tuple[Kitchen, Scripted]]:
        """A kitchen whose provider answers these rows everywhere, or these by path; nothing elsewhere."""
        said = rows if isinstance(rows, Mapping) else {"*": rows}
        answers = {
            path if path == "*" else f"/stable/{path}": answer
            if callable(answer)
            else http(200, json.dumps(answer).encode(), content_type="application/json")
            for path, answer in {"*": [], **said}.items()
        }
        async with serving(answers) as server:
            other = replace(self, sources={"fmp": Source(server.url, key="k")}, opened={})
            try:
                yield other, server
            finally:
                await other.close()

    def _connections(self, plan: str) -> Connections:
        """The connections under a plan, opened once: a client of HTTP takes a while to make."""
        if plan not in self.opened:
            sources = {name: replace(one, plan=plan if name == "fmp" else "") for name, one in self.sources.items()}
            self.opened[plan] = Connections(sources, contact=CONTACT)
        return self.opened[plan]

    async def close(self) -> None:
        """Close what was opened."""
        for connections in self.opened.values():
            await connections.close()
