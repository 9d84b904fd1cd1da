"""`openbell bench queue`: the engine's queue beside plain SQL, figure by figure."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Any

import asyncpg
import psutil

from openbell.bench import backlog
from openbell.bench.actors import Actor, acting
from openbell.bench.errors import BenchError
from openbell.bench.figures import Figures, percentile
from openbell.bench.lab import ENQUEUE_AT_ONCE, SQL, Lab, open_lab, place_of
from openbell.bench.targets import QUEUE
from openbell.bench.tasks import BUNDLE, arguments, noop, paid
from openbell.engine.demand import want
from openbell.engine.enqueue import enqueue_many

Say = Callable[[str], None]

SETTLE_S = 12.0
"""How long a session that is idle may keep its statistics to itself (10 s), and a little more."""
TICK_S = 0.05
TICKS = 200
HELD_BATCHES = 4
PAID_SHARE = 10
PAID_SLOTS = 32
ONE_AT_A_TIME_CONNECTIONS = 2


@dataclass(frozen=True, slots=True)
class Size:
    """How much is measured; smaller numbers are for trying it out."""

    jobs: int = 50_000
    rounds: int = 3
    ticks: int = TICKS
    idle_s: float = 20.0
    scale: float = 1.0


async def until_done(actors: list[Actor], jobs: int, began: list[float] | None = None) -> float:
    """When the last of ``jobs`` jobs was done by these processes together; when each began goes to ``began``."""
    done: dict[int, int] = dict.fromkeys(range(len(actors)), 0)
    at = 0.0

    async def follow(n: int) -> None:
        nonlocal at
        while sum(done.values()) < jobs:
            said = await actors[n].hear()
            done[n], at = said["done"], max(at, said["at"])
            if began is not None:
                began.append(said["began"])

    followers = [asyncio.ensure_future(follow(n)) for n in range(len(actors))]
    try:
        while sum(done.values()) < jobs:
            ended, _ = await asyncio.wait(followers, timeout=0.1, return_when=asyncio.FIRST_COMPLETED)
            for one in ended:
                one.result()
    finally:
        for one in followers:
            one.cancel()
        await asyncio.gather(*followers, return_exceptions=True)
    return at


async def drain(lab: Lab, jobs: int, workers: int = 1) -> float:
    """Jobs a second of waiting engine workers, from the first claim to the last commit; each job done once."""
    async with acting("work", lab.dsn, lab.log, workers) as actors:
        place = await lab.load(noop, jobs)
        at = await until_done(actors, jobs)
        runs = sum([(await actor.stop())["runs"] for actor in actors])
    if runs != jobs:
        raise BenchError(f"{jobs} jobs had {runs} effects.")
    return jobs / (at - await lab.began(place, jobs))


async def drain_ceiling(lab: Lab, jobs: int, workers: int = 1, batch: int = BUNDLE) -> float:
    """Rows a second of the plain table, from the first claim to the last commit."""
    async with acting("ceiling", lab.dsn, lab.log, workers, batch=batch) as actors:
        await lab.load_ceiling(jobs)
        for actor in actors:
            actor.go()
        said = [await actor.hear() for actor in actors]
        for actor in actors:
            await actor.stop()
    if sum(one["done"] for one in said) != jobs:
        raise BenchError(f"The ceiling drained {sum(one['done'] for one in said)} rows of {jobs}.")
    took_s: float = max(one["at"] for one in said) - min(one["began"] for one in said)
    return jobs / took_s


async def measure_drain(lab: Lab, size: Size, figures: Figures, say: Say) -> None:
    """One worker."""
    await _drain_rounds(lab, size, figures, say, "drain", 1)


async def measure_drain_two(lab: Lab, size: Size, figures: Figures, say: Say) -> None:
    """Two workers."""
    await _drain_rounds(lab, size, figures, say, "drain_two", 2)


async def _drain_rounds(lab: Lab, size: Size, figures: Figures, say: Say, name: str, workers: int) -> None:
    for n in range(size.rounds):
        say(f"{name.replace('_', ' ')}: round {n + 1} of {size.rounds}")
        await lab.tidy()
        before = await drain_ceiling(lab, size.jobs, workers)
        await lab.tidy()
        ours = await drain(lab, size.jobs, workers)
        await lab.tidy()
        least = (before + await drain_ceiling(lab, size.jobs, workers)) / 2
        figures.add("drain_ratio" if workers == 1 else "drain_ratio_two", ours / least)
        figures.add(f"{name}_per_s", ours)
        figures.add(f"{name}_ceiling_per_s", least)


async def measure_enqueue(lab: Lab, size: Size, figures: Figures, say: Say) -> None:
    """Bulk enqueue of jobs with unique keys, and COPY of the same rows into the ceiling's table.

    That table has an identity and a partial index, but no unique key. Both sides get Python objects and encode them.
    How COPY into a table without any index compares is told beside it.
    """
    for n in range(size.rounds):
        say(f"enqueue: round {n + 1} of {size.rounds}")
        await lab.tidy()
        name = lab.fresh_name()
        items = [(f"{name}-{i}", arguments(i)) for i in range(size.jobs)]
        parts = [items[start : start + ENQUEUE_AT_ONCE] for start in range(0, size.jobs, ENQUEUE_AT_ONCE)]
        took: dict[str, float] = {}
        for table, empty in (("ceiling", "empty_ceiling"), ("bare", "empty_bare")):
            began = time.perf_counter()
            for part in parts:
                await lab.pool.copy_records_to_table(table, schema_name="bench", columns=["key", "args"], records=part)
            took[table] = time.perf_counter() - began
            await lab.raw.execute(SQL.get(empty))
        place, began = await lab.place(), time.perf_counter()
        for part in parts:
            await enqueue_many(lab.pool, noop, part)
        ours = time.perf_counter() - began
        figures.add("enqueue_ratio", took["ceiling"] / ours)
        figures.add("enqueue_without_index_ratio", took["bare"] / ours)
        figures.add("enqueue_per_s", size.jobs / ours)
        figures.add("copy_per_s", size.jobs / took["ceiling"])
        async with acting("work", lab.dsn, lab.log) as actors:
            await until_done(actors, size.jobs)
            await actors[0].stop()
        await lab.began(place, size.jobs)


async def measure_pickup(lab: Lab, size: Size, figures: Figures, say: Say) -> None:
    """One job every 50 ms, from the commit of the enqueue in one process to the start of the handler in another."""
    pooled: dict[str, list[float]] = {"pickup": [], "pickup_ceiling": []}
    for n in range(size.rounds):
        say(f"pickup: round {n + 1} of {size.rounds}")
        for name, picks, puts in (("pickup_ceiling", "listen", "post"), ("pickup", "work", "enqueue")):
            waits = await _pickups(lab, picks, puts, size.ticks)
            pooled[name] += waits
            figures.add(f"{name}_p50_ms", percentile(waits, 50))
    for name, waits in pooled.items():
        figures.add(f"{name}_p99_ms", percentile(waits, 99))


async def _pickups(lab: Lab, picks: str, puts: str, ticks: int) -> list[float]:
    options: dict[str, Any] = {"jobs": ticks, "every_s": TICK_S, "name": lab.fresh_name()}
    async with acting(picks, lab.dsn, lab.log) as (worker,), acting(puts, lab.dsn, lab.log, **options) as (source,):
        await asyncio.sleep(0.5)  # the worker's first beats are not what is measured
        source.go()
        await source.hear()
        await asyncio.sleep(0.5)
        starts, commits = (await worker.stop())["starts"], (await source.stop())["commits"]
    if starts.keys() != commits.keys():
        raise BenchError(f"{len(commits)} jobs were queued and {len(starts)} picked up.")
    return [(starts[key] - commits[key]) * 1_000 for key in commits]


async def measure_held(lab: Lab, size: Size, figures: Figures, say: Say) -> None:
    """Four batches in a row while an idle transaction elsewhere keeps every dead row alive."""
    for n in range(size.rounds):
        for name, take in (("held_snapshot_ceiling_ratio", drain_ceiling), ("held_snapshot_ratio", drain)):
            say(f"held snapshot: round {n + 1} of {size.rounds}")
            await lab.tidy()
            other = await asyncpg.connect(lab.dsn)
            try:
                await other.execute("begin isolation level repeatable read")
                await other.execute(SQL.get("take_snapshot"))
                rates = [await take(lab, size.jobs) for _ in range(HELD_BATCHES)]
                await other.execute("rollback")
            finally:
                await other.close()
            figures.add(name, rates[-1] / rates[0])


async def measure_wal(lab: Lab, size: Size, figures: Figures, say: Say) -> None:
    """The log that a job writes on its way: enqueue, claim, finish and history.

    A checkpoint comes first and a batch of the same size, so that the pages that a job touches have been written whole
    before the batch that counts; what is left of whole pages is told beside it.
    """
    for n in range(size.rounds):
        say(f"WAL: round {n + 1} of {size.rounds}")
        for name, take in (("wal_ceiling_bytes_per_job", drain_ceiling), ("wal_bytes_per_job", drain)):
            await lab.tidy()
            await lab.raw.execute(SQL.get("begin_checkpoint"))
            await take(lab, size.jobs)
            await lab.tidy()
            before = await lab.raw.fetchrow(SQL.get("read_wal"))
            await take(lab, size.jobs)
            after = await lab.raw.fetchrow(SQL.get("read_wal"))
            assert before is not None
            assert after is not None
            figures.add(name, (after["bytes"] - before["bytes"]) / size.jobs)
            if name == "wal_bytes_per_job":
                figures.add("wal_whole_pages_per_job", (after["whole_pages"] - before["whole_pages"]) / size.jobs)


async def measure_idle(lab: Lab, size: Size, figures: Figures, say: Say) -> None:
    """A worker with nothing to do: transactions, less those that the server makes without it, and processor time."""
    say("idle")
    alone = await _commits_per_s(lab, size.idle_s)
    async with acting("work", lab.dsn, lab.log, look_s=size.idle_s) as (worker,):
        await asyncio.sleep(SETTLE_S)
        process = psutil.Process(worker.pid)
        before = process.cpu_times()
        rate = await _commits_per_s(lab, size.idle_s)
        after = process.cpu_times()
        await worker.stop()
    used = after.user + after.system - before.user - before.system
    figures.add("idle_queries_per_s", max(0.0, rate - alone))
    figures.add("idle_core_percent", max(0.0, 100 * used / size.idle_s))  # sums of hundredths may end below zero


async def _commits_per_s(lab: Lab, during_s: float) -> float:
    """Transactions a second in the main database. Asked twice from elsewhere."""
    watch = await asyncpg.connect(lab.dsn_of("postgres"))
    try:
        before = await watch.fetchval(SQL.get("read_commits"), place_of(lab))
        await asyncio.sleep(during_s)
        after = await watch.fetchval(SQL.get("read_commits"), place_of(lab))
    finally:
        await watch.close()
    return float(after - before) / during_s


async def measure_paid(lab: Lab, size: Size, figures: Figures, say: Say) -> None:
    """Jobs that hold, call, settle and publish, each on its own; and rows claimed and finished one by one."""
    jobs = max(10, size.jobs // PAID_SHARE)
    for n in range(size.rounds):
        say(f"paid: round {n + 1} of {size.rounds}")
        await lab.tidy()
        before = await drain_ceiling(lab, jobs, ONE_AT_A_TIME_CONNECTIONS, batch=1)
        await lab.tidy()
        name = lab.fresh_name()
        keys = [(paid.name, f"{name}-{i}") for i in range(jobs)]
        async with acting("work", lab.dsn, lab.log, slots=PAID_SLOTS) as actors:
            place = await lab.place()
            await want(lab.pool, keys, source="bench", seconds=600)
            lab.hints.tell("work", paid.name, "*")
            at = await until_done(actors, jobs)
            runs = (await actors[0].stop())["runs"]
        if runs != jobs:
            raise BenchError(f"{jobs} paid jobs had {runs} calls.")
        ours = jobs / (at - await lab.began(place, jobs))
        await lab.tidy()
        least = (before + await drain_ceiling(lab, jobs, ONE_AT_A_TIME_CONNECTIONS, batch=1)) / 2
        figures.add("paid_ratio", ours / least)
        figures.add("paid_per_s", ours)
        figures.add("one_at_a_time_per_s", least)


async def measure_backlog(lab: Lab, size: Size, figures: Figures, say: Say) -> None:
    """A long queue over a short one."""
    await backlog.measure(lab, size.scale, size.rounds, figures, say)


Measure = Callable[[Lab, Size, Figures, Say], Awaitable[None]]
MEASURES: dict[str, Measure] = {
    "drain_ratio": measure_drain,
    "drain_ratio_two": measure_drain_two,
    "enqueue_ratio": measure_enqueue,
    "pickup_p50_ms": measure_pickup,
    "pickup_p99_ms": measure_pickup,
    "held_snapshot_ratio": measure_held,
    "wal_bytes_per_job": measure_wal,
    "idle_queries_per_s": measure_idle,
    "idle_core_percent": measure_idle,
    "paid_ratio": measure_paid,
    "backlog_ratio": measure_backlog,
}


async def run(size: Size, only: Iterable[str], say: Say) -> Figures:
    """Measure everything, or only what is named."""
    figures = Figures(QUEUE)
    chosen = dict.fromkeys(MEASURES[name] for name in (tuple(only) or MEASURES))
    async with open_lab() as lab:
        for measure in chosen:
            before = set(figures.samples)
            await measure(lab, size, figures, say)
            for name in figures.samples.keys() - before & figures.targets.keys():
                say(f"{name} {figures.value(name):.4g}")
    return figures
