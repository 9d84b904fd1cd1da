"""What all peers share: the roles of their processes, and the JSON lines in which they report.

    install   make the peer's tables
    enqueue   queue so many jobs with the peer's fastest way for many; tell the seconds
    work      run jobs from the line `go` on, count effects and tell when the count stands still; end at `stop`

Nothing of openbell is imported: this runs with the Python of .venv-peers.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from abc import ABC, abstractmethod
from typing import Any

import uvloop

LOOK_S = 0.002
AT_ONCE = 10_000


class Effects:
    """How often a handler of this process has run, and when first and last."""

    def __init__(self) -> None:
        self.runs, self.began = 0, 0.0

    def happen(self) -> None:
        if not self.runs:
            self.began = time.time()
        self.runs += 1


class Peer(ABC):
    """One engine, with its fastest documented settings."""

    uses_uvloop = True

    def __init__(self, dsn: str, options: dict[str, Any]) -> None:
        self.dsn, self.options, self.effects = dsn, options, Effects()

    @abstractmethod
    async def install(self) -> None: ...

    @abstractmethod
    async def enqueue(self, jobs: int) -> float:
        """Seconds."""

    @abstractmethod
    async def work(self, stop: asyncio.Event) -> None: ...


def arguments(n: int) -> dict[str, Any]:
    """As in openbell.bench.tasks."""
    return {"n": n, "symbol": f"SYM{n % 5_000:04d}", "source": "bench"}


def tell(**said: Any) -> None:
    sys.stdout.write(json.dumps(said) + "\n")
    sys.stdout.flush()


async def _count(effects: Effects) -> None:
    seen, changed_at, told = 0, 0.0, 0
    while True:
        await asyncio.sleep(LOOK_S)
        if effects.runs != seen:
            seen, changed_at = effects.runs, time.time()
        elif seen != told:
            told = seen
            tell(done=told, at=changed_at, began=effects.began)


async def _play(peer: Peer, role: str) -> None:
    if role == "install":
        await peer.install()
        tell(ready=True, last=True)
        return
    if role == "enqueue":
        tell(ready=True)
        tell(last=True, seconds=await peer.enqueue(peer.options["jobs"]))
        return
    go, stop = asyncio.Event(), asyncio.Event()

    async def listen() -> None:
        reader = asyncio.StreamReader()
        await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
        while line := await reader.readline():
            (go if line.strip() == b"go" else stop).set()
        go.set()
        stop.set()

    hearing = asyncio.create_task(listen())
    tell(ready=True)
    await go.wait()
    counting = asyncio.create_task(_count(peer.effects))
    await peer.work(stop)
    counting.cancel()
    hearing.cancel()
    tell(last=True, runs=peer.effects.runs)


def main(kind: type[Peer]) -> None:
    role, dsn, options = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
    peer = kind(dsn, options)
    (uvloop.run if kind.uses_uvloop else asyncio.run)(_play(peer, role))
