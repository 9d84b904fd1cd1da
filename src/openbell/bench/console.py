"""`openbell bench console`: how long list pages of the console take with very much behind them.

A database is filled by SQL with ended jobs in the partitions of 30 days, with calls and mails; then pages are asked
for one after the other, as an operator does, of `openbell web` over HTTP. What counts is the time to the whole page.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from html import unescape

import httpx

from openbell.bench.errors import BenchError
from openbell.bench.figures import Figures, percentile
from openbell.bench.lab import SQL, Lab, open_lab
from openbell.bench.targets import Target
from openbell.bench.webs import running_web
from openbell.engine.database import SQL as ENGINE

DAYS = 30
PAGE_MS = 50.0
WARM = 3
FAR = 20
"""Pages that are turned before one is far."""
WAIT_S = 3_600.0

PAGES = {
    "jobs, first page": "/console/jobs",
    "jobs, last day": "/console/jobs?hours=24",
    "jobs, rare state": "/console/jobs?state=expired",
    "jobs, failed": "/console/jobs?state=failed",
    "jobs, state without any": "/console/jobs?state=superseded",
    "jobs, common state": "/console/jobs?state=unchanged",
    "jobs, by key": "/console/jobs?key=key-7",
    "jobs, absent key": "/console/jobs?key=nothing",
    "jobs, key and absent product": "/console/jobs?key=key-7&product=nothing",
    "jobs, by class": "/console/jobs?class=background",
    "jobs, rare class": "/console/jobs?class=ad-hoc",
    "jobs, by code": "/console/jobs?code=bad_answer",
    "jobs, rare code": "/console/jobs?code=odd_answer",
    "jobs, absent code": "/console/jobs?code=nothing",
    "jobs, by product": "/console/jobs?product=kind-3",
    "jobs, absent product": "/console/jobs?product=nothing",
    "spends, first page": "/console/spends",
    "spends, in doubt": "/console/spends?state=unknown",
    "spends, by provider": "/console/spends?provider=provider-2",
    "spends, absent provider": "/console/spends?provider=nothing",
    "mail, first page": "/console/mail",
    "mail, failed": "/console/mail?state=failed",
    "mail, held": "/console/mail?state=held",
    "mail, one kind": "/console/mail?kind=digest",
    "mail, absent ticker": "/console/mail?ticker=NOTHING",
    "mail, one edition": "/console/mail?edition=digest+edition-9",
    "accounts": "/console/accounts",
}
TARGETS = {
    **{name: Target("at most", PAGE_MS, "ms", "99th percentile of a page") for name in PAGES},
    "jobs, far page": Target("at most", PAGE_MS, "ms", "99th percentile of a page"),
    "jobs, one job": Target("at most", PAGE_MS, "ms", "99th percentile of a page"),
}
"""By page, its 99th percentile."""


@dataclass(frozen=True, slots=True)
class Size:
    """How much is behind the pages; smaller is for trying it out."""

    jobs: int = 10_000_000
    others: int = 1_000_000
    asks: int = 100


async def run(size: Size, say: Callable[[str], None]) -> Figures:
    """Fill, then ask for each page."""
    figures = Figures(TARGETS)
    async with open_lab() as lab:
        await fill(lab, size, say)
        async with (
            running_web(settings={"DATABASE_URL": lab.dsn}) as web,
            httpx.AsyncClient(base_url=f"http://127.0.0.1:{web.port}", timeout=60) as client,
        ):
            pages = {**PAGES, "jobs, far page": await _far(client), "jobs, one job": await _one(lab)}
            for name, path in pages.items():
                say(f"asking for {name}")
                took = await _ask(client, path, size.asks)
                figures.add(name, percentile(took, 99))
                figures.add(f"{name}: median", percentile(took, 50))
    return figures


async def fill(lab: Lab, size: Size, say: Callable[[str], None]) -> None:
    """Ended jobs, a day at a time as they would have come, then calls and mails."""
    for day in range(DAYS, 0, -1):
        say(f"filling {size.jobs:,} jobs: {day} days to go")
        await lab.raw.execute(ENGINE.get("add_history_day"), -day)
        await lab.raw.execute(SQL.get("fill_history"), day, max(1, size.jobs // DAYS), timeout=WAIT_S)
    say(f"filling {size.others:,} calls and mails")
    await lab.raw.execute(SQL.get("fill_spends"), size.others, timeout=WAIT_S)
    await lab.raw.execute(SQL.get("fill_deliveries"), size.others, timeout=WAIT_S)
    await lab.raw.execute(SQL.get("vacuum_all"), timeout=WAIT_S)


async def _one(lab: Lab) -> str:
    number = await lab.raw.fetchval(SQL.get("read_old_job"))
    return f"/console/jobs/{number}"


async def _far(client: httpx.AsyncClient) -> str:
    """A page that many others come before."""
    path = PAGES["jobs, first page"]
    for _ in range(FAR):
        following = re.search(r'href="([^"]+)" rel="next"', (await client.get(path)).text)
        if following is None:
            break
        path = unescape(following[1])
    return path


async def _ask(client: httpx.AsyncClient, path: str, asks: int) -> list[float]:
    """Milliseconds of each answer. Raises :class:`BenchError` when a page does not come."""
    took = []
    for n in range(asks + WARM):
        began = time.perf_counter()
        answer = await client.get(path)
        if answer.status_code != 200:
            raise BenchError(f"{path} has answered with {answer.status_code}.")
        if n >= WARM:
            took.append((time.perf_counter() - began) * 1_000)
    return took
