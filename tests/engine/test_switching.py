"""One data type through shadow, 10 %, 100 % and back, under load: real processes, and the provider's own books."""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import asyncpg
import pytest

from openbell.engine.artifacts import Reading, read_many
from openbell.engine.demand import Interest
from openbell.engine.flags import Mode, add_flag, get_flag
from openbell.engine.hints import Hint, Hints
from openbell.engine.polls import add_polls, flag_of
from openbell.engine.registry import set_product
from openbell.engine.rollout import NotReady, report, set_flag
from openbell.products import registry
from tests.engine.processes import quote_next
from tests.engine.test_processes import Launch, launch  # noqa: F401 (a fixture)
from tests.sandbox.harness import Running
from tests.support import eventually

LISTED = ("AAPL", "GOOG", "IBM", "MSFT", *(f"SYN{n:03}" for n in range(1, 13)))
WATCHED = LISTED[:6]
"""Two of them through both web processes."""
NAMED = (WATCHED[0], LISTED[-1])
"""In each share by name: one that is watched, and one that is not."""
TTL, LEAD = timedelta(seconds=3), timedelta(seconds=1)
SLACK = timedelta(seconds=20)
"""How much later than its end a watched value may be replaced on a machine that does much else."""
FLAGS = (flag_of("quote"), quote_next.name)


@dataclass
class Watch:
    """What somebody who looks whenever something is said to have changed has seen."""

    pool: asyncpg.Pool
    looks: int = 0
    worst: timedelta = timedelta(0)
    seen: dict[str, Reading] = field(default_factory=dict)
    backwards: list[str] = field(default_factory=list)
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def hear(self, hint: Hint) -> None:
        if hint.kind == "artifact" and (hint.keys is None or hint.keys & {("quote", key) for key in WATCHED}):
            self.changed.set()

    async def look(self) -> None:
        """At every watched key, whenever one of them has changed."""
        while True:
            await self.changed.wait()
            self.changed.clear()
            for one in await read_many(self.pool, [("quote", key) for key in WATCHED]):
                assert one.fresh_until is not None
                assert one.checked_at is not None
                before = self.seen.get(one.key, one)
                assert before.fresh_until is not None
                self.worst = max(self.worst, one.now - one.fresh_until, one.checked_at - before.fresh_until)
                if one.version < before.version:
                    self.backwards.append(one.key)
                self.seen[one.key] = one
            self.looks += 1


@asynccontextmanager
async def watching(pool: asyncpg.Pool, dsn: str) -> AsyncIterator[Watch]:
    """Viewers at two web processes, and one who takes notes."""
    webs = [Interest(pool, "web 1"), Interest(pool, "web 2")]
    await webs[0].add([("quote", key) for key in WATCHED[:4]])
    await webs[1].add([("quote", key) for key in WATCHED[2:]])
    for web in webs:
        web.start()
    await all_checked(pool, LISTED, since=datetime.min.replace(tzinfo=UTC))
    watch, hints = Watch(pool), Hints(pool, dsn)
    hints.subscribe(watch.hear)
    hints.start()
    looking = asyncio.create_task(watch.look())
    yield watch
    await hints.stop()
    looking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await looking
    for web in webs:
        await web.stop()


async def all_checked(pool: asyncpg.Pool, keys: Sequence[str], *, since: datetime) -> None:
    """Until the source has been asked for each of the keys after that moment."""

    async def checked() -> bool:
        found = await read_many(pool, [("quote", key) for key in keys])
        return all(one.checked_at is not None and one.checked_at > since for one in found)

    await eventually(checked)


async def now(pool: asyncpg.Pool) -> datetime:
    moment: datetime = await pool.fetchval("select openbell.now()")
    return moment


async def switch(pool: asyncpg.Pool, sandbox: Running, mode: Mode, share: int | None = None) -> datetime:
    """Both flags of the type, as their rules allow: how often it is fetched, and by whom it is made. The market goes on
    by a day, so that there is something new to be lost.
    """
    await sandbox.clock(advance_days=1)
    for name in FLAGS:
        await set_flag(pool, name, mode=mode, share=share, allow=NAMED, actor="test")
    return await now(pool)


async def versions(pool: asyncpg.Pool) -> set[tuple[str, int]]:
    return {(row["key"], row["version"]) for row in await pool.fetch("select key, version from openbell.version")}


async def calls(pool: asyncpg.Pool, product: str, since: datetime) -> list[asyncpg.Record]:
    """The calls of a product from then on, with their operation."""
    statement = (
        "select product, key, operation, intended_at from openbell.spend"
        " where product = $1 and intended_at > $2 order by id"
    )
    return list(await pool.fetch(statement, product, since))


@pytest.mark.slow
async def test_one_type_through_shadow_ten_percent_all_and_back(
    pool: asyncpg.Pool,
    dsn: str,
    sandbox: Running,
    launch: Launch,  # noqa: F811
) -> None:
    """MD-25, PF-28, PF-29: quotes go from a fixed list to demand, and to another producer, and back, while people watch
    and three processes work: no watched key is older than it may be, no key is fetched twice in the time of one value,
    no stored value is lost, trials reach nobody, and the way back takes seconds.
    """
    products = registry()
    products.add(quote_next)
    await products.seed(pool)
    await set_product(pool, "quote", {"ttl": TTL}, actor="test")
    await add_polls(pool, "quote", LISTED)
    end = (datetime.now(UTC) + timedelta(days=9)).date()
    await add_flag(pool, FLAGS[0], about="quotes on demand", owner="test", remove_by=end, actor="test")
    workers = await asyncio.gather(*(launch(dsn=dsn, url=sandbox.url, rival=True, granted=700) for _ in range(3)))
    async with watching(pool, dsn) as watch:
        begun = await now(pool)
        await all_checked(pool, LISTED, since=begun)
        kept = await versions(pool)
        with pytest.raises(NotReady, match="comparisons"):
            await set_flag(pool, FLAGS[1], mode="percent", share=1_000, actor="test")

        await _in_shadow(pool, begun := await switch(pool, sandbox, "shadow"))
        assert kept <= (kept := await versions(pool))

        await _at_a_share(pool, await switch(pool, sandbox, "percent", 1_000))
        assert kept <= (kept := await versions(pool))

        await _on_demand(pool, await switch(pool, sandbox, "on"))
        assert kept <= (kept := await versions(pool))

        back = await switch(pool, sandbox, "off")
        await settled(pool, back, dict.fromkeys(LISTED, "quote"))
        assert kept <= await versions(pool)
    for worker in workers:
        worker.terminate()
    assert await asyncio.gather(*(worker.wait() for worker in workers)) == [0, 0, 0]
    assert watch.looks > 20
    assert watch.backwards == []
    assert watch.worst < SLACK, f"a watched value was replaced {watch.worst} after its end"
    await _no_duplicates(pool, sandbox)
    await _nothing_lost(pool)


async def _in_shadow(pool: asyncpg.Pool, begun: datetime) -> None:
    """Readers see what the old producer makes; the new one's results lie beside, and demand is rehearsed."""

    async def enough() -> bool:
        found = await report(pool, FLAGS[1])
        return found.shortfalls == []

    await eventually(enough)
    found, demand = await report(pool, FLAGS[1]), (await report(pool, FLAGS[0])).rehearsed
    assert found.trials is not None
    assert (found.trials.different, found.trials.missing, found.trials.extra) == (0, 0, 0)
    assert {row["operation"] for row in await calls(pool, quote_next.name, begun)} == {"batch-quote"}
    assert {row["operation"] for row in await calls(pool, "quote", begun)} == {"quote"}
    assert await pool.fetchval("select count(*) from openbell.version where provenance ? 'producer'") == 0
    assert demand is not None
    assert (demand.keys, demand.looks) == (len(LISTED), len(WATCHED))
    assert 0 < demand.rehearsed < demand.refreshes


async def settled(pool: asyncpg.Pool, begun: datetime, right: Mapping[str, str]) -> None:
    """Within seconds from that moment, exactly these keys are fetched, each by its operation, and nothing is tried; it
    stays so until each of them has been fetched twice.
    """

    async def stays() -> bool:
        made = [*await calls(pool, "quote", begun), *await calls(pool, quote_next.name, begun)]
        wrong = [row for row in made if row["product"] != "quote" or row["operation"] != right.get(row["key"])]
        since = max((row["intended_at"] for row in wrong), default=begun)
        times = Counter(row["key"] for row in made if row["intended_at"] > since)
        return all(times[key] > 1 for key in right)

    await eventually(stays)


async def _at_a_share(pool: asyncpg.Pool, begun: datetime) -> None:
    """Exactly the keys of the share are made by the new producer, and no trials any more; those of the other share are
    left alone unless somebody watches them, and the rest of the list is polled as before.
    """
    demand, maker = await get_flag(pool, FLAGS[0]), await get_flag(pool, FLAGS[1])
    polled = {key for key in LISTED if not demand.takes_in(key)}
    assert LISTED[-1] not in polled
    right = {key: "batch-quote" if maker.takes_in(key) else "quote" for key in polled | set(WATCHED)}
    await settled(pool, begun, right)


async def _on_demand(pool: asyncpg.Pool, begun: datetime) -> None:
    """What nobody watches is left alone; what is watched is made by the new producer."""
    await settled(pool, begun, dict.fromkeys(WATCHED, "batch-quote"))


async def _no_duplicates(pool: asyncpg.Pool, sandbox: Running) -> None:
    """By the provider's books: every call is one of ours, none was refused, and readers' calls of a key keep apart.

    Ours are told apart by when they were meant: on their way they may wait for a busy machine.
    """
    entries = (await sandbox.ledger(provider="fmp"))["entries"]
    assert {entry["status"] for entry in entries} == {200}
    theirs: dict[tuple[str, str], int] = defaultdict(int)
    for entry in entries:
        for symbol in entry["symbols"]:
            theirs[entry["operation"].removeprefix("GET "), symbol] += 1
    ours = await pool.fetch("select product, key, operation, intended_at from openbell.spend order by intended_at")
    booked: dict[tuple[str, str], int] = defaultdict(int)
    live: dict[str, list[datetime]] = defaultdict(list)
    for row in ours:
        booked[row["operation"], row["key"]] += 1
        if row["product"] == "quote":
            live[row["key"]].append(row["intended_at"])
    assert theirs == booked
    for times in live.values():
        assert all(after - before > TTL - LEAD - timedelta(seconds=0.05) for before, after in pairwise(times))


async def _nothing_lost(pool: asyncpg.Pool) -> None:
    """Versions follow one another without a gap, the head is the last, and the list is what it was."""
    kept: dict[str, list[Any]] = defaultdict(list)
    for row in await pool.fetch("select key, version, created_at from openbell.version order by key, version"):
        kept[row["key"]].append(row)
    heads = {row["key"]: row["version"] for row in await pool.fetch("select key, version from openbell.artifact")}
    assert set(heads) == set(LISTED)
    for key, rows in kept.items():
        assert [row["version"] for row in rows] == list(range(1, heads[key] + 1))
        assert all(one["created_at"] < other["created_at"] for one, other in pairwise(rows))
    listed = await pool.fetch("select key from openbell.poll where product = 'quote'")
    assert {row["key"] for row in listed} == set(LISTED)
