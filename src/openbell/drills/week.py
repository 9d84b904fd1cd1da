"""`openbell drill week`: a trading week in minutes, with people who come and go, and again with fixed lists.

A whole house runs: database, sandbox, web, worker. Its one clock is moved from moment to moment, and at each moment all
that is wanted may be refreshed before the next comes. The people register their interest as a web process does.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

import asyncpg
import httpx

from openbell.bench.house import House, running_house
from openbell.drills import crowd
from openbell.drills.crowd import Visit, Watch
from openbell.engine.artifacts import read_many
from openbell.engine.demand import Interest
from openbell.engine.flags import add_flag
from openbell.engine.hints import Hints
from openbell.engine.polls import Poller, add_polls, flag_of
from openbell.engine.registry import Registry, set_product
from openbell.engine.sessions import Session, write_sessions
from openbell.engine.sweep import sweep
from openbell.postgres.embedded import running_dsn
from openbell.postgres.pool import open_pool
from openbell.postgres.queries import Queries
from openbell.products.market.exchanges import CALENDARS

SQL = Queries("openbell.drills")
PROVIDER = "fmp"
A_DAY = 24 * 3600
"""The market's own clock stands nearly still; we move it."""
QUIET_S = 120.0
POLL_S = 0.02
WAIT = timedelta(seconds=20)
"""How far the clock is moved when nobody may be asked for a moment."""
READ_AT_ONCE = 500
MOST_FAULTS = 20

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Size:
    """How much of a week; smaller is for trying it out."""

    viewers: int = 200
    symbols: int = 200
    days: int = 5
    every_min: int = 5
    seed: int = 1


@dataclass(slots=True)
class Played:
    """What a week took, and which promises it broke."""

    moments: int = 0
    looks: int = 0
    fresh: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    refreshes: int = 0
    calls: dict[str, int] = field(default_factory=dict)
    bytes: int = 0
    busiest_minute: int = 0
    allowed_a_minute: int = 0
    faults: list[str] = field(default_factory=list)

    @property
    def all_calls(self) -> int:
        """Calls of all products together."""
        return sum(self.calls.values())

    def blame(self, what: str) -> None:
        """A promise that was broken; only the first are kept."""
        if len(self.faults) < MOST_FAULTS:
            self.faults.append(what)

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        return {
            "moments": self.moments,
            "looks": self.looks,
            "fresh": self.fresh,
            "not_fresh_because": dict(self.reasons),
            "refreshes": self.refreshes,
            "calls": self.all_calls,
            "calls_by_type": self.calls,
            "bytes": self.bytes,
            "busiest_minute": self.busiest_minute,
            "allowed_a_minute": self.allowed_a_minute,
            "faults": self.faults,
        }


def types_of(registry: Registry) -> list[str]:
    """The data types of a symbol that people look at."""
    return sorted(
        one.name
        for one in registry
        if not one.is_task
        and one.provider == PROVIDER
        and one.key.__name__ == "Symbol"
        and one.job_class == "interactive"
    )


def days_of(size: Size, today: date) -> list[date]:
    """So many days from the next Monday on."""
    monday = today + timedelta(days=7 - today.weekday())
    return [monday + timedelta(days=n) for n in range(size.days)]


async def play(size: Size, registry: Registry, symbols: Sequence[str], *, on_demand: bool, say: Say) -> Played:
    """One week in a house of its own: with people and demand, or with fixed lists and nobody."""
    days, types = days_of(size, datetime.now(UTC).date()), types_of(registry)
    moments = crowd.ticks(days, timedelta(minutes=size.every_min))
    async with running_house("--day-seconds", str(A_DAY)) as house, _opened(house) as (pool, sandbox):
        await _open_markets(pool, days)
        await _keep_time(pool, registry)
        stage = Stage(pool, sandbox, Hints(pool, None), Interest(pool, "drill"), Poller(pool), Played())
        if on_demand:
            await stage.play_people(crowd.visits(size.viewers, symbols, types, days, size.seed), moments, say)
        else:
            await _list_all(pool, types, symbols)
            await stage.play_lists(moments, say)
        await stage.add_up()
    return stage.played


@asynccontextmanager
async def _opened(house: House) -> AsyncIterator[tuple[asyncpg.Pool, httpx.AsyncClient]]:
    """The database of a house and the control of its sandbox."""
    dsn = running_dsn(house.folder)
    assert dsn is not None
    pool = await open_pool(dsn, name="drill", max_size=4)
    base = httpx.URL(json.loads((house.folder / "run.json").read_bytes())["fmp_base_url"])
    try:
        async with httpx.AsyncClient(base_url=f"{base.scheme}://{base.netloc.decode()}") as sandbox:
            yield pool, sandbox
    finally:
        pool.terminate()


@dataclass(slots=True)
class Stage:
    """A house whose clock we move."""

    pool: asyncpg.Pool
    sandbox: httpx.AsyncClient
    hints: Hints
    interest: Interest
    poller: Poller
    played: Played
    before: datetime | None = None
    here: list[Visit] = field(default_factory=list)
    seen: int = 0
    wanted: set[Watch] = field(default_factory=set)
    """What has been watched since the last moment; nothing else may be refreshed."""

    async def play_people(self, people: Sequence[Visit], moments: Sequence[datetime], say: Say) -> None:
        """They come, look, and go; at each moment everything that is watched is looked at."""
        coming = list(reversed(people))
        for n, moment in enumerate(moments):
            if n % 50 == 0:
                say(f"people: {moment:%A %H:%M}, {self.played.refreshes:,} refreshes so far")
            await self._go_to(moment)
            for gone in [visit for visit in self.here if visit.ends <= moment]:
                self.here.remove(gone)
                await self.interest.drop(gone.watches)
            self.wanted = set(self.interest.keys)
            while coming and coming[-1].begins <= moment:
                visit = coming.pop()
                if visit.ends > moment:
                    self.here.append(visit)
                    await self.interest.add(visit.watches)
                    self.wanted.update(visit.watches)
            await self.interest.beat()
            await self._settle(moment)
            await self._look(moment)
            self.played.moments += 1

    async def play_lists(self, moments: Sequence[datetime], say: Say) -> None:
        """Nobody is there; the lists are refreshed all the same."""
        for n, moment in enumerate(moments):
            if n % 50 == 0:
                say(f"fixed lists: {moment:%A %H:%M}, {self.played.refreshes:,} refreshes so far")
            await self._go_to(moment)
            await self._settle(moment)
            await self._list_ended(on_demand=False)
            self.played.moments += 1

    async def add_up(self) -> None:
        """What the week took, by the books; and whether any minute saw more calls than it may."""
        rows = await self.pool.fetch(SQL.get("count_calls"))
        self.played.calls = {row["product"]: row["calls"] for row in rows}
        self.played.bytes = sum(row["bytes"] for row in rows)
        row = await self.pool.fetchrow(SQL.get("find_busiest_minute"), PROVIDER)
        assert row is not None
        self.played.busiest_minute, self.played.allowed_a_minute = row["calls"], row["allowed"]
        if row["calls"] > row["allowed"]:
            self.played.blame(f"a minute saw {row['calls']} calls of {row['allowed']}")

    async def _go_to(self, moment: datetime) -> None:
        """Everybody's clock, and the market's by as much as it was open meanwhile."""
        await self.pool.execute(SQL.get("set_clock"), moment)
        if self.before is not None and (open_for := crowd.open_between(self.before, moment)):
            days = open_for / (crowd.CLOSES - crowd.OPENS)
            (await self.sandbox.post("/_control/clock", json={"advance_days": days})).raise_for_status()
        self.before = moment

    async def _settle(self, moment: datetime) -> None:
        """Until nothing is left to do now; where the provider's minute is full, the clock goes on a little."""
        end = asyncio.get_running_loop().time() + QUIET_S
        await self.poller.beat()
        while True:
            for job in await sweep(self.pool):
                if job.created:
                    self.hints.tell("work", job.product, job.key)
            row = await self.pool.fetchrow(SQL.get("count_live"))
            assert row is not None
            if not row["ready"]:
                return
            if row["blocked_until"] is not None and not row["running"]:
                await self.pool.execute(SQL.get("set_clock"), row["now"] + WAIT)
                await self.interest.beat()
                await self.poller.beat()
                self.hints.tell("work", "*", "*")
            elif asyncio.get_running_loop().time() > end:
                self.played.blame(f"{row['ready']} jobs were not done within {QUIET_S:g} s at {moment:%A %H:%M}")
                return
            await asyncio.sleep(POLL_S)

    async def _look(self, moment: datetime) -> None:
        """What everybody sees now, and whether anything was refreshed that nobody watched."""
        for product, key in await self._list_ended(on_demand=True):
            if (product, key) not in self.wanted:
                self.played.blame(f"{product} of {key} was refreshed at {moment:%A %H:%M}, and nobody looked")
        watched = sorted(self.interest.keys)
        for start in range(0, len(watched), READ_AT_ONCE):
            for reading in await read_many(self.pool, watched[start : start + READ_AT_ONCE]):
                self.played.looks += 1
                if reading.state in ("fresh", "empty"):
                    self.played.fresh += 1
                    continue
                word = reading.setback.code if reading.setback else reading.job.state if reading.job else reading.state
                self.played.reasons[word] += 1
                if not reading.setback and not reading.job:
                    self.played.blame(f"{reading.product} of {reading.key} is {reading.state} at {moment:%A %H:%M}")

    async def _list_ended(self, *, on_demand: bool) -> list[Watch]:
        rows = await self.pool.fetch(SQL.get("list_ended"), self.seen, on_demand)
        if rows:
            self.seen = rows[-1]["id"]
        self.played.refreshes += len(rows)
        return [(row["product"], row["key"]) for row in rows]


async def _open_markets(pool: Any, days: Sequence[date]) -> None:
    """Every exchange keeps the same hours this week, so that there is one closing bell to look at."""
    midnights = [datetime(day.year, day.month, day.day, tzinfo=UTC) for day in days]
    sessions = [
        Session(midnight.date(), midnight + crowd.OPENS, midnight + crowd.CLOSES)
        for midnight in midnights
        if midnight.weekday() < 5
    ]
    async with pool.acquire() as connection:
        for calendar in CALENDARS:
            await write_sessions(connection, calendar, sessions)


async def _keep_time(pool: asyncpg.Pool, registry: Registry) -> None:
    """What is fresh for a minute is so here, too: the sandbox has set the pace of its own market."""
    for one in registry:
        if one.policy is not None:
            await set_product(pool, one.name, {"ttl": one.policy.ttl}, actor="drill")


async def _list_all(pool: asyncpg.Pool, types: Sequence[str], symbols: Sequence[str]) -> None:
    """The old way: each type of each symbol is on a fixed list."""
    end = datetime.now(UTC).date() + timedelta(days=365)
    for product in types:
        await add_polls(pool, product, symbols)
        await add_flag(pool, flag_of(product), about="drill", owner="drill", remove_by=end, actor="drill")
