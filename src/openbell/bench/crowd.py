"""`openbell bench crowd`: very many who ask for one cold key at once, over three web processes.

The provider holds its answer back until all of them wait; then it is one call by its own ledger, and what counts is
how long after the commit the last of them has the answer in its socket, by the kernel's clock. Those who wait sleep
until all is over (:mod:`openbell.bench.arrivals`), so that their reading does not slow the answering.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

import httpx
import psutil

from openbell.bench.actors import Actor, acting
from openbell.bench.errors import BenchError
from openbell.bench.figures import Figures, percentile
from openbell.bench.house import House, running_house
from openbell.bench.stream import CLIENTS
from openbell.bench.targets import CROWD
from openbell.bench.webs import allow_files, running_web

PRODUCT, PATH = "profile", "profile"
KEYS = ("AAPL", "MSFT", "IBM", "GE", "KO", "JNJ", "XOM", "WMT", "PG", "INTC")
"""One for each round, as a key is cold once."""
WEBS = 3
COMMAND = (sys.executable, "-m", "openbell.bench.arrivals")
PATIENCE_S = 60.0
PEEP_S = 0.25
"""Between two looks of this process whether the answer is there."""
SLEEP_S = 1.0
"""After that, until the crowd looks."""


async def run(viewers: int, rounds: int, say: Callable[[str], None]) -> Figures:
    """Bring everything up, and let the crowd ask for one key after the other."""
    figures = Figures(CROWD)
    allow_files(viewers)
    async with running_house() as house, AsyncExitStack() as stack:
        webs, web_pids = [house.port], [house.web_pid()]
        for n in range(1, WEBS):
            say(f"web process {n + 1} of {WEBS}")
            web = await stack.enter_async_context(running_web("--data", str(house.folder)))
            webs.append(web.port)
            web_pids.append(web.pid)
        told = json.loads((house.folder / "run.json").read_text("utf-8"))
        origin = httpx.URL(told["fmp_base_url"]).copy_with(path="/")
        async with httpx.AsyncClient(base_url=origin) as sandbox:
            for n, key in enumerate(KEYS[:rounds]):
                say(f"{viewers} ask for one key: round {n + 1} of {rounds}")
                used = Used(web_pids)
                await _measure(house, sandbox, webs, viewers, key, figures, used)
    return figures


async def _measure(
    house: House,
    sandbox: httpx.AsyncClient,
    webs: list[int],
    viewers: int,
    key: str,
    figures: Figures,
    used: Used,
) -> None:
    fault = {"path": PATH, "symbol": key, "kind": "hang"}
    (await sandbox.post("/_control/faults", json=fault)).raise_for_status()
    before = await _calls(sandbox, key)
    async with AsyncExitStack() as stack:
        crowd = [await _gather(stack, house, webs, share, key) for share in _shares(viewers)]
        for one in crowd:
            one.go()
        await asyncio.gather(*(one.hear() for one in crowd))  # all wait
        used_s = used.seconds()
        (await sandbox.delete("/_control/faults")).raise_for_status()
        await _until_known(house, key)
        for one in crowd:
            one.look()
        await asyncio.gather(*(one.hear() for one in crowd))  # all are answered
        figures.add("crowd_web_us_each", (used.seconds() - used_s) / viewers * 1e6)
        said = [await one.stop() for one in crowd]
    waits = [wait for one in said for wait in one["waits"]]
    if len(waits) < viewers:
        raise BenchError(f"Of {viewers} who asked, {len(waits)} were answered.")
    figures.add("crowd_calls", await _calls(sandbox, key) - before)
    figures.add("crowd_first_ms", min(waits))
    figures.add("crowd_p50_ms", percentile(waits, 50))
    figures.add("crowd_p99_ms", percentile(waits, 99))
    figures.add("crowd_last_ms", max(waits))


async def _until_known(house: House, key: str) -> None:
    """Until the answer is there, and everybody has had time to be told."""
    until = time.monotonic() + PATIENCE_S
    async with httpx.AsyncClient(base_url=f"http://{house.host}:{house.port}") as http:
        while (await http.get(f"/api/v1/artifacts/{PRODUCT}/{key}")).status_code != 200:
            if time.monotonic() > until:
                raise BenchError(f"There is no {PRODUCT} of {key} after {PATIENCE_S:g} s.")
            await asyncio.sleep(PEEP_S)
    await asyncio.sleep(SLEEP_S)


@dataclass(frozen=True, slots=True)
class Used:
    """Processor time of these processes so far: what an answer costs, however busy the machine is otherwise."""

    pids: list[int]

    def seconds(self) -> float:
        """Of all of them together."""
        times = [psutil.Process(pid).cpu_times() for pid in self.pids]
        return sum(float(one.user + one.system) for one in times)


async def _gather(stack: AsyncExitStack, house: House, webs: list[int], share: int, key: str) -> Actor:
    """A part of the crowd: connected, and silent until told to ask."""
    (one,) = await stack.enter_async_context(
        acting("crowd", "", house.folder.parent / "crowd.log", command=COMMAND,
               ports=webs, streams=share, key=f"{PRODUCT}:{key}")
    )  # fmt: skip
    return one


def _shares(viewers: int) -> list[int]:
    return [viewers * (n + 1) // CLIENTS - viewers * n // CLIENTS for n in range(CLIENTS)]


async def _calls(sandbox: httpx.AsyncClient, key: str) -> int:
    """How often the provider was asked for a symbol, by its own ledger."""
    told: dict[str, Any] = (await sandbox.get("/_control/ledger", params={"provider": "fmp"})).raise_for_status().json()
    return sum(PATH in entry["path"] and key in json.dumps(entry) for entry in told["entries"])
