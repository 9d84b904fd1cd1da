"""What a test holds in its hand: a running sandbox and a client of it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import httpx

from tests.support import eventually


@dataclass
class Running:
    """A sandbox on a free port of this machine, its replay frozen at the open of 2012-06-01 unless told otherwise."""

    port: int
    client: httpx.AsyncClient
    stop: asyncio.Event
    task: asyncio.Task[None]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def get(self, path: str, **params: Any) -> httpx.Response:
        """A call with the right key."""
        return await self.client.get(f"/stable/{path}", params=params, headers={"apikey": "sandbox"})

    async def rows(self, path: str, **params: Any) -> Any:
        """The rows of a call that must succeed."""
        answer = await self.get(path, **params)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def fault(self, kind: str, **spec: Any) -> int:
        """Script a fault; returns its id."""
        answer = await self.client.post("/_control/faults", json={"kind": kind, **spec})
        assert answer.status_code == 201, answer.text
        return int(answer.json()["id"])

    async def release(self) -> None:
        """Withdraw all faults; calls that hang go on."""
        await self.client.delete("/_control/faults")

    async def billed_usd_micro(self, provider: str) -> int:
        """What a provider has billed so far."""
        totals = (await self.ledger())["totals"]["by_provider"].get(provider, {})
        return int(totals.get("billed_usd_micro", 0))

    async def billed(self, calls: int) -> None:
        """Wait until so many calls have been billed, answered or not."""

        async def enough() -> bool:
            return bool((await self.ledger())["totals"]["billed"] >= calls)

        await eventually(enough)

    async def ledger(self, since: int = 0, **of: str) -> Any:
        return (await self.client.get("/_control/ledger", params={"since": since, **of})).json()

    async def entries(self, provider: str) -> Any:
        """What the ledger has of a provider."""
        return (await self.ledger(provider=provider))["entries"]

    async def clock(self, **change: Any) -> Any:
        if change:
            return (await self.client.post("/_control/clock", json=change)).json()
        return (await self.client.get("/_control/clock")).json()


Start = Callable[..., Awaitable[Running]]
