"""`openbell drill week`: a trading week in minutes, with people who come and go, beside the same week by fixed lists.

A whole house runs: database, sandbox, web, worker. Its one clock is moved from moment to moment, and the sandbox's
with it, so that the provider counts the same minutes as we do. At each moment all that is wanted may be refreshed
before the next comes: the clock goes on when the work is done, so that a slow machine takes longer and breaks no
promise. Where the provider's minute is full, the clock is moved on a little, and what waits is late by that. The
people register their interest as a web process does.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

import asyncpg
import httpx

from openbell.bench.house import House, running_house
from openbell.drills import crowd
from openbell.drills.crowd import Stock, Visit, Watch
from openbell.drills.fixed import Listed, all_refreshes
from openbell.engine.artifacts import Reading, read_many
from openbell.engine.demand import BEAT_S, Interest
from openbell.engine.flags import add_flag
from openbell.engine.hints import Hints
from openbell.engine.polls import Poller, add_polls, flag_of
from openbell.engine.prefetch import FLAG as PREFETCH
from openbell.engine.prefetch import Prefetcher, count_prefetched
from openbell.engine.registry import Product, Registry, set_product
from openbell.engine.rollout import set_flag
from openbell.engine.sessions import Session, write_sessions
from openbell.engine.sweep import sweep
from openbell.postgres.embedded import running_dsn
from openbell.postgres.pool import open_pool
from openbell.postgres.queries import Queries
from openbell.products.keys import Global, Symbol, Week
from openbell.products.market.exchanges import CALENDARS

SQL = Queries("openbell.drills")
PROVIDER = "fmp"
A_DAY = 24 * 3600
"""The market's own clock stands nearly still; we move it."""
QUIET_S = 120.0
"""How long nothing may end while there is work before the drill gives up; a slow machine ends something."""
POLL_S = 0.02
WAIT = timedelta(seconds=20)
"""How far the clock is moved when nobody may be asked for a moment."""
OVERLAP = timedelta(seconds=10)
READ_AT_ONCE = 500
MOST_FAULTS = 20
SECOND_LOOK_S = 30.0
MOST_MOVES = 20
"""How often at one moment the clock is moved on to what waits for another by a few seconds."""

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Size:
    """How much of a week; smaller is for trying it out."""

    viewers: int = 200
    symbols: int = 500
    days: int = 5
    every_min: int = 2
    seed: int = 1
    prefetch: bool = False


@dataclass(frozen=True, slots=True)
class Took:
    """What one data type took; how long a refresh took from being due until it was stored, by the clock of the week."""

    refreshes: int
    calls: int
    bytes: int
    empty: int = 0
    failed: int = 0
    median_s: float | None = None
    p99_s: float | None = None


@dataclass(slots=True)
class Played:
    """What a week took, and which promises it broke. ``computed`` where nobody played it."""

    moments: int = 0
    looks: int = 0
    fresh: int = 0
    most_viewers: int = 0
    keys: int = 0
    seconds: float = 0.0
    computed: bool = False
    reasons: Counter[str] = field(default_factory=Counter)
    types: dict[str, Took] = field(default_factory=dict)
    busiest_minute: int = 0
    allowed_a_minute: int = 0
    arrived: int = 0
    refused: int = 0
    prefetched: int = 0
    opened: int = 0
    missed: int = 0
    faults: list[str] = field(default_factory=list)

    @property
    def calls(self) -> int:
        """Calls of all types together."""
        return sum(one.calls for one in self.types.values())

    @property
    def bytes(self) -> int:
        """Bytes of all types together."""
        return sum(one.bytes for one in self.types.values())

    @property
    def refreshes(self) -> int:
        """Refreshes of all types together."""
        return sum(one.refreshes for one in self.types.values())

    def blame(self, what: str) -> None:
        """A promise that was broken; only the first are kept."""
        if len(self.faults) < MOST_FAULTS:
            self.faults.append(what)

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        figures = asdict(self) | {"reasons": dict(self.reasons), "seconds": round(self.seconds, 1)}
        return figures | {"calls": self.calls, "bytes": self.bytes, "refreshes": self.refreshes}


def types_of(registry: Registry) -> list[str]:
    """The data types that the page of a symbol has."""
    return sorted(one.name for one in registry if not one.is_task and one.key is Symbol)


def market_of(registry: Registry, day: date) -> list[Watch]:
    """What the page of the whole market shows in the week of that day."""
    keys = {Global: "GLOBAL", Week: Week.of(day)}
    return sorted((one.name, keys[one.key]) for one in registry if not one.is_task and one.key in keys)


def is_listed(one: Product) -> bool:
    """Whether a fixed list can hold the type: what is searched for nobody knows before, and a schedule has its own."""
    return not one.is_task and one.provider == PROVIDER and one.key in (Symbol, Global, Week)


def days_of(size: Size, today: date) -> list[date]:
    """So many days from the next Monday on."""
    monday = today + timedelta(days=7 - today.weekday())
    return [monday + timedelta(days=n) for n in range(size.days)]


def lists(registry: Registry, size: Size, demand: Played) -> dict[str, Listed]:
    """Every type as it would stand on a fixed list. Where the provider has nothing for some keys, the longer of both
    times holds for all, so that its calls are counted low.
    """
    found = {}
    for one in registry:
        if is_listed(one) and one.policy is not None:
            keys, seen = size.symbols if one.key is Symbol else 1, demand.types.get(one.name)
            some_empty = seen is None or seen.empty > 0
            ttl = max(one.policy.ttl, one.policy.empty_ttl) if some_empty else one.policy.ttl
            found[one.name] = Listed(keys, ttl, one.calendar is not None)
    return found


def compute(size: Size, registry: Registry, demand: Played) -> Played:
    """The same week by fixed lists, computed: as often as each key is due, times what a refresh has taken on demand."""
    days = days_of(size, datetime.now(UTC).date())
    moments = crowd.ticks(days, timedelta(minutes=size.every_min))
    found = Played(moments=len(moments), computed=True)
    for product, count in all_refreshes(lists(registry, size, demand), moments).items():
        one, seen = registry.get(product), demand.types.get(product)
        calls, transferred = float(one.estimate.calls), float(one.estimate.bytes)
        if seen is not None and seen.refreshes:
            calls, transferred = seen.calls / seen.refreshes, seen.bytes / seen.refreshes
        found.types[product] = Took(count, round(count * calls), round(count * transferred))
        found.keys += size.symbols if one.key is Symbol else 1
    return found


async def play(size: Size, registry: Registry, symbols: Sequence[str], *, on_demand: bool, say: Say) -> Played:
    """One week in a house of its own: with people and demand, or with fixed lists and nobody."""
    days = days_of(size, datetime.now(UTC).date())
    moments = crowd.ticks(days, timedelta(minutes=size.every_min))
    stock = Stock(symbols, types_of(registry), market_of(registry, days[0]))
    begun = asyncio.get_running_loop().time()
    async with running_house("--day-seconds", str(A_DAY)) as house, _opened(house) as (pool, sandbox):
        await _open_markets(pool, days)
        await _keep_time(pool, registry)
        hints = Hints(pool, None)
        prefetcher = Prefetcher(pool, registry, hints) if size.prefetch else None
        stage = Stage(pool, sandbox, hints, Interest(pool, "drill", hints), Poller(pool), Played(), prefetcher)
        if prefetcher is not None:
            await _switch_on(pool, PREFETCH)
        if on_demand:
            await stage.play_people(crowd.visits(size.viewers, stock, days, size.seed), moments, say)
        else:
            await _list_all(pool, registry, stock)
            await stage.play_lists(moments, say)
        await stage.add_up()
    stage.played.seconds = asyncio.get_running_loop().time() - begun
    return stage.played


@asynccontextmanager
async def _opened(house: House) -> AsyncIterator[tuple[asyncpg.Pool, httpx.AsyncClient]]:
    """The database of a house and the control of its sandbox."""
    dsn = running_dsn(house.folder)
    assert dsn is not None
    pool = await open_pool(dsn, name="drill", max_size=4)
    base = httpx.URL(json.loads((house.folder / "run.json").read_bytes())["fmp_base_url"])
    try:
        async with httpx.AsyncClient(base_url=f"{base.scheme}://{base.netloc.decode()}", timeout=30) as sandbox:
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
    prefetcher: Prefetcher | None = None
    before: datetime | None = None
    here: list[Visit] = field(default_factory=list)
    since: datetime | None = None
    listed: set[int] = field(default_factory=set)
    wanted: set[Watch] = field(default_factory=set)
    """What is watched now or was at the moment before; nothing else may be refreshed."""
    ever: set[Watch] = field(default_factory=set)

    async def play_people(self, people: Sequence[Visit], moments: Sequence[datetime], say: Say) -> None:
        """They come, look, and go; at each moment everything that is watched is looked at."""
        coming = list(reversed(people))
        for n, moment in enumerate(moments):
            if n % 50 == 0:
                say(f"people: {moment:%A %H:%M}, {len(self.here)} here, {len(self.ever):,} keys so far")
            await self._go_to(moment)
            self.wanted = set(self.interest.keys)
            for gone in [visit for visit in self.here if visit.ends <= moment]:
                self.here.remove(gone)
                await self.interest.drop(gone.watches)
            while coming and coming[-1].begins <= moment:
                visit = coming.pop()
                if visit.ends > moment:
                    self.here.append(visit)
                    await self.interest.add(visit.watches)
                    self.wanted.update(visit.watches)
            self.ever |= self.wanted
            self.played.most_viewers = max(self.played.most_viewers, len(self.here))
            await self.interest.beat()
            await self._settle(moment)
            if self.prefetcher is not None:
                await self.prefetcher.beat()
                await self._settle(moment)
            await self._look(moment)
            self.played.moments += 1
        self.played.keys = len(self.ever)

    async def play_lists(self, moments: Sequence[datetime], say: Say) -> None:
        """Nobody is there; the lists are refreshed all the same."""
        for n, moment in enumerate(moments):
            if n % 50 == 0:
                say(f"fixed lists: {moment:%A %H:%M}")
            await self._go_to(moment)
            await self._settle(moment)
            self.played.moments += 1

    async def add_up(self) -> None:
        """What the week took, by our books and by those of the provider; and whether any limit was exceeded."""
        for measured in await self.pool.fetch(SQL.get("measure_types")):
            product, *took = measured.values()
            self.played.types[product] = Took(*took)
        for one in await count_prefetched(self.pool, timedelta(days=365)):
            self.played.prefetched += one.made
            self.played.opened, self.played.missed = self.played.opened + one.hits, self.played.missed + one.missed
        row = await self.pool.fetchrow(SQL.get("find_busiest_minute"), PROVIDER)
        assert row is not None
        self.played.busiest_minute, self.played.allowed_a_minute = row["calls"], row["allowed"]
        if row["calls"] > row["allowed"]:
            self.played.blame(f"a minute saw {row['calls']} calls of {row['allowed']}")
        answer = (await self.sandbox.get("/_control/ledger", params={"since": 2**50})).raise_for_status().json()
        self.played.arrived = answer["totals"]["by_provider"].get(PROVIDER, {}).get("calls", 0)
        self.played.refused = answer["totals"]["by_status"].get("429", 0)
        if self.played.refused:
            self.played.blame(f"the provider refused {self.played.refused:,} calls because a limit was exceeded")
        if self.played.arrived != row["all_calls"]:
            self.played.blame(f"{self.played.arrived:,} calls reached the provider, {row['all_calls']:,} are booked")

    async def _go_to(self, moment: datetime) -> None:
        """Everybody's clock, never backwards, and the market's by as much as it was open meanwhile."""
        await self._move(moment)
        if self.before is not None and (open_for := crowd.open_between(self.before, moment)):
            days = open_for / (crowd.CLOSES - crowd.OPENS)
            (await self.sandbox.post("/_control/clock", json={"advance_days": days})).raise_for_status()
        self.before = moment

    async def _move(self, moment: datetime) -> None:
        """The provider's clock first: what it counts into a minute is then never more than what we count into it."""
        now = await self.pool.fetchval(SQL.get("read_clock"))
        if moment <= now:
            return
        ahead = {"advance_s": (moment - now).total_seconds()}
        (await self.sandbox.post("/_control/clock", json=ahead)).raise_for_status()
        await self.pool.execute(SQL.get("set_clock"), moment)

    async def _settle(self, moment: datetime) -> None:
        """Until nothing is left to do now; where the provider's minute is full, the clock goes on a little."""
        time = asyncio.get_running_loop().time
        await self._sweep()
        ended, last_end, last_beat, moves = -1, time(), time(), MOST_MOVES
        while True:
            row = await self.pool.fetchrow(SQL.get("count_live"))
            assert row is not None
            if not row["ready"]:
                if row["soon"] is None or not moves:
                    return
                if row["soon"] > row["now"]:  # a sweep of the house then wakes it
                    moves -= 1
                    await self._move(row["soon"])
                    await self._sweep()
            if row["ended"] != ended:
                ended, last_end = row["ended"], time()
            if row["blocked_until"] is not None and not row["running"]:
                await self._move(row["now"] + WAIT)
                await self._sweep()
                self.hints.tell("work", "*", "*")
                last_beat = last_end = time()
            elif time() - last_end > QUIET_S:
                self.played.blame(f"{row['ready']} jobs: none ended within {QUIET_S:g} s at {moment:%A %H:%M}")
                return
            elif time() - last_beat > BEAT_S:
                await self._sweep()
                last_beat = time()
            await asyncio.sleep(POLL_S)

    async def _sweep(self) -> None:
        await self.interest.beat()
        await self.poller.beat()
        for job in await sweep(self.pool):
            if job.created:
                self.hints.tell("work", job.product, job.key)

    async def _look(self, moment: datetime) -> None:
        """What everybody sees now, and whether anything was refreshed that nobody watched."""
        for product, key in await self._list_ended():
            if (product, key) not in self.wanted:
                self.played.blame(f"{product} of {key} was refreshed at {moment:%A %H:%M}, and nobody looked")
        watched = sorted(self.interest.keys)
        odd = [reading for reading in await self._read(watched) if not self._note(reading)]
        end = asyncio.get_running_loop().time() + SECOND_LOOK_S
        while odd:  # its time may have run out while we looked; then it must be refreshed, or say why not, at once
            await self._settle(moment)
            odd = [one for one in await self._read([(o.product, o.key) for o in odd]) if not self._note(one)]
            if asyncio.get_running_loop().time() > end:
                break
        for reading in odd:
            self.played.blame(f"{reading.product} of {reading.key} is {reading.state} at {moment:%A %H:%M}")
        self.played.looks += len(watched)

    async def _read(self, keys: Sequence[Watch]) -> list[Reading]:
        found: list[Reading] = []
        for start in range(0, len(keys), READ_AT_ONCE):
            found += await read_many(self.pool, keys[start : start + READ_AT_ONCE])
        return found

    def _note(self, reading: Reading) -> bool:
        """Count what somebody sees; False when it is not fresh and nothing says why."""
        if reading.state in ("fresh", "empty"):
            self.played.fresh += 1
            return True
        word = reading.setback.code if reading.setback else reading.job.state if reading.job else None
        if word is not None:
            self.played.reasons[word] += 1
        return word is not None

    async def _list_ended(self) -> list[Watch]:
        now = await self.pool.fetchval(SQL.get("read_clock"))
        rows = await self.pool.fetch(SQL.get("list_ended"), (self.since or now - timedelta(days=30)) - OVERLAP)
        found = [row for row in rows if row["id"] not in self.listed]
        self.listed, self.since = {row["id"] for row in rows}, now
        return [(row["product"], row["key"]) for row in found]


async def _open_markets(pool: Any, days: Sequence[date]) -> None:
    """Every exchange keeps the same hours this week and on the Friday before, so that there is one bell to look at."""
    known = [days[0] - timedelta(days=3), *days]
    midnights = [datetime(day.year, day.month, day.day, tzinfo=UTC) for day in known]
    sessions = [
        Session(midnight.date(), midnight + crowd.OPENS, midnight + crowd.CLOSES)
        for midnight in midnights
        if midnight.weekday() <= crowd.FRIDAY
    ]
    async with pool.acquire() as connection:
        for calendar in CALENDARS:
            await write_sessions(connection, calendar, sessions)


async def _keep_time(pool: asyncpg.Pool, registry: Registry) -> None:
    """What is fresh for a minute is so here, too: the sandbox has set the pace of its own market."""
    for one in registry:
        if one.policy is not None:
            await set_product(pool, one.name, {"ttl": one.policy.ttl}, actor="drill")


async def _switch_on(pool: asyncpg.Pool, flag: str) -> None:
    end = datetime.now(UTC).date() + timedelta(days=365)
    await add_flag(pool, flag, about="drill", owner="drill", remove_by=end, actor="drill")
    await set_flag(pool, flag, mode="on", actor="drill")


async def _list_all(pool: asyncpg.Pool, registry: Registry, stock: Stock) -> None:
    """The old way: each type of each symbol is on a fixed list."""
    end = datetime.now(UTC).date() + timedelta(days=365)
    for one in registry:
        if is_listed(one):
            keys = stock.symbols if one.key is Symbol else [key for name, key in stock.market if name == one.name]
            await add_polls(pool, one.name, keys)
            await add_flag(pool, flag_of(one.name), about="drill", owner="drill", remove_by=end, actor="drill")
