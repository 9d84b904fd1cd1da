"""`make bench-peers`: this engine, the SQL ceiling and the peers, taking turns on one server.

Each peer has a database of its own on the same server. Its jobs are queued first; then its waiting processes are let
go, and the clock runs from the first effect to the last, each job counted once by its effect. (Openbell's runs from its
first claim to its last commit, which is a little longer.) Peers that do some hundred jobs a second get fewer.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import sys
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from openbell.bench import queue
from openbell.bench.actors import acting
from openbell.bench.errors import BenchError
from openbell.bench.lab import Lab, open_lab

HERE = Path(__file__).parent
PEERS = {"pgqueuer": 1.0, "awa": 0.2, "procrastinate": 0.04, "dbos": 0.04, "absurd": 0.04}
"""The share of the jobs that each gets."""

Samples = dict[str, dict[str, list[float]]]


def dsn_of(lab: Lab, peer: str) -> str:
    return urlunsplit(urlsplit(lab.dsn)._replace(path=f"/peer_{peer}"))


def command(python: Path, peer: str) -> list[str]:
    return [str(python), str(HERE / f"peer_{peer}.py")]


async def install(lab: Lab, python: Path, peer: str) -> None:
    await lab.raw.execute(f"create database peer_{peer}")
    async with acting("install", dsn_of(lab, peer), lab.log, command=command(python, peer)):
        pass


async def enqueue(lab: Lab, python: Path, peer: str, jobs: int) -> float:
    async with acting("enqueue", dsn_of(lab, peer), lab.log, command=command(python, peer), jobs=jobs) as (source,):
        return jobs / (await source.hear(600))["seconds"]


async def drain(lab: Lab, python: Path, peer: str, jobs: int, workers: int) -> tuple[float, float]:
    """Jobs a second queued, and drained."""
    queued = await enqueue(lab, python, peer, jobs)
    async with acting("work", dsn_of(lab, peer), lab.log, workers, command=command(python, peer)) as actors:
        for actor in actors:
            actor.go()
        began: list[float] = []
        at = await queue.until_done(actors, jobs, began)
        runs = sum([(await actor.stop())["runs"] for actor in actors])
    if runs != jobs:
        raise BenchError(f"{jobs} jobs of {peer} had {runs} effects.")
    return queued, jobs / (at - min(began))


async def round_of(lab: Lab, python: Path, peers: list[str], jobs: int, samples: Samples) -> None:
    """Everything once."""
    for workers, name in ((1, "one"), (2, "two")):
        await lab.tidy()
        least = await queue.drain_ceiling(lab, jobs, workers)
        samples["SQL ceiling"][name].append(least)
        await lab.tidy()
        ours = await queue.drain(lab, jobs, workers)
        samples["openbell"][name].append(ours)
        samples["openbell"][f"{name}_ratio"].append(ours / least)
        for peer in [*peers]:
            try:
                queued, rate = await drain(lab, python, peer, max(100, int(jobs * PEERS[peer])), workers)
            except BenchError as error:
                print(f"{peer} cannot be measured: {error}", file=sys.stderr)
                peers.remove(peer)
                continue
            samples[peer]["enqueue"].append(queued)
            samples[peer][name].append(rate)
            samples[peer][f"{name}_ratio"].append(rate / least)
    await lab.tidy()
    figures = queue.Figures(queue.QUEUE)
    await queue.measure_enqueue(lab, queue.Size(jobs=jobs, rounds=1), figures, lambda _: None)
    samples["SQL ceiling"]["enqueue"].append(figures.value("copy_per_s"))
    samples["openbell"]["enqueue"].append(figures.value("enqueue_per_s"))


def table(samples: Samples) -> str:
    """Markdown, medians."""
    lines = [
        "| engine | bulk enqueue /s | drain, 1 worker /s | of ceiling | drain, 2 workers /s | of ceiling |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    for engine, columns in samples.items():
        if not columns.get("one"):
            continue
        cells = [
            "" if not columns.get(name) else _cell(statistics.median(columns[name]), form)
            for name, form in (
                ("enqueue", ",.0f"), ("one", ",.0f"), ("one_ratio", ".2f"), ("two", ",.0f"), ("two_ratio", ".2f")
            )
        ]  # fmt: skip
        lines.append(f"| {engine} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _cell(value: float, form: str) -> str:
    return f"{value:.3f}" if value < 0.1 else f"{value:{form}}"


async def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--python", type=Path, required=True, help="the Python that has the peers")
    parser.add_argument("--jobs", type=int, default=50_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", action="append", choices=[*PEERS])
    given = parser.parse_args()
    columns = ("enqueue", "one", "one_ratio", "two", "two_ratio")
    async with open_lab() as lab:
        peers: list[str] = []
        for peer in given.only or PEERS:
            try:
                await install(lab, given.python, peer)
                peers.append(peer)
            except BenchError as error:
                print(f"{peer} cannot be installed: {error}", file=sys.stderr)
        samples: Samples = {name: {column: [] for column in columns} for name in ("SQL ceiling", "openbell", *peers)}
        for n in range(given.rounds):
            print(f"round {n + 1} of {given.rounds}", file=sys.stderr)
            await round_of(lab, given.python, peers, given.jobs, samples)
    print(table(samples))
    print(json.dumps(samples), file=sys.stderr)


if __name__ == "__main__":
    asyncio.run(main())
