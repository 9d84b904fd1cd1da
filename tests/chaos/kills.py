"""A long run of deaths: ``make chaos KILLS=10000``. Every line, every statement, every moment at the wire; then chance.

Half of the jobs buy at a shop (:mod:`tests.chaos.shop`), the others of a sandbox through the real clients. First come
all fates that there are, one a job: each line of the engine between intent and settlement in turn. Then
stories with several fates in a row, some of them of processes that stand still and come back, at a provider in a bad
mood. At last whole workers (:mod:`tests.chaos.storm`) that are killed at any moment with all that they have at work.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from tests.chaos import clients, storm
from tests.chaos.books import IN_THE_END, STORE, check_books, read_books, resolve_doubts
from tests.chaos.fate import MOMENTS, Fate, How
from tests.chaos.lane import Lane, Story, open_lane
from tests.chaos.mutants import MONEY

PLACES = ("wire", "statement", "line")
KINDS = ("read", "keyed", "asked", "paid", "bare", "beside", "chain", "run", *clients.KINDS)
MOODY = 0.08
"""How many requests end badly when the provider is in a mood."""
NONE = Fate("line", 0)
"""Lines are counted, and none is the last."""
STORM = 0.15
"""How many of all kills are of whole workers."""
STANDSTILLS = 0.15
"""How many fates of chance are that a process stands still for a while, and comes back."""


@dataclass(slots=True)
class Outcome:
    """What a run has shown: the figures, and every broken promise as (rule, what was seen)."""

    counts: Counter[str] = field(default_factory=Counter)
    met: set[tuple[str, str, int]] = field(default_factory=set)
    places: int = 0
    """How many lines there are on which a process can die."""
    sales: int = 0
    charged: int = 0
    billed: Counter[str] = field(default_factory=Counter)
    """How many things each provider of the sandbox has billed."""
    doubtful: int = 0
    late: int = 0
    violations: list[tuple[str, str]] = field(default_factory=list)

    def figures(self) -> dict[str, Any]:
        """For one line of JSON."""
        lines = len({(kind, number) for kind, where, number in self.met if where == "line"})
        duplicates = ("what has a key is bought once", "what must not be repeated is bought once")
        broken = Counter(rule for rule, _ in self.violations)
        return {
            "kills": self.counts["kills"], "freezes": self.counts["freezes"], "jobs": self.counts["stories"],
            "attempts": self.counts["attempts"], "lines_met": lines, "lines": self.places,
            "by": {word: n for word, n in sorted(self.counts.items()) if " at " in word},
            "sales": self.sales, "charged_micro": self.charged,
            "of_providers": dict(self.billed), "unknown": self.doubtful, "late": self.late,
            "duplicate_charges": broken[duplicates[0]], "silent_repeats": broken[duplicates[1]],
            "lost_results": broken["what was bought with a key is kept"], "violations": len(self.violations),
        }  # fmt: skip


async def measure(lane: Lane, kinds: Sequence[str] = KINDS) -> Mapping[str, Mapping[str, int]]:
    """How many lines, statements and purchases the first attempt of each kind passes when nothing happens."""
    return {kind: (await lane.play(Story(kind, [NONE])))[0] for kind in kinds}


def every_fate(
    passed: Mapping[str, Mapping[str, int]], where: Sequence[str] = PLACES, how: How = "kill", thaw: int = 1
) -> Iterator[Story]:
    """Each purchase at each moment, each statement before, while and after it, each line; one a story."""
    for kind, most in passed.items():
        for place in where:
            for number in range(1, most[place] + 1):
                for fate in _fates_at(place, number, how):
                    yield Story(kind, [fate], thaw)


def _fates_at(place: str, number: int, how: How) -> list[Fate]:
    if place == "wire":
        return [Fate("wire", number, how, moment) for moment in MOMENTS]
    if place == "statement":
        return [Fate("statement", number, how, after_s=after_s) for after_s in (0.0, 0.0005, 0.01)]
    return [Fate("line", number, "exit" if how == "kill" else how)]


def any_fates(passed: Mapping[str, Mapping[str, int]], random: Random) -> Iterator[Story]:
    """Chance, without end."""
    while True:
        kind = random.choice(KINDS)
        fates = [_any_fate(passed[kind], random) for _ in range(random.choice((1, 1, 2, 2, 3, 5)))]
        yield Story(kind, fates, random.randrange(4))


def _any_fate(most: Mapping[str, int], random: Random) -> Fate:
    where = random.choices(("line", "statement", "wire"), (6, 2, 2))[0]
    how = "stop" if random.random() < STANDSTILLS else "kill" if where == "wire" else random.choice(("exit", "kill"))
    number = random.randint(1, max(1, most[where]))
    return Fate(where, number, how, random.choice(MOMENTS), random.expovariate(1000))  # type: ignore[arg-type]


def spread(stories: Sequence[Story], most: int) -> list[Story]:
    """So many of them, from everywhere."""
    if len(stories) <= most:
        return list(stories)
    return [stories[int(n * len(stories) / most)] for n in range(most)]


async def run(dsns: Sequence[str], folder: Path, *, kills: int, seed: int, chosen: float = 1.0) -> Outcome:
    """Kill so many processes: in the first databases one job at a time, in the last one whole workers.

    ``chosen`` is the share of the former whose fate is chosen and not left to chance, while there are any to choose.
    """
    random, outcome, workers = Random(seed), Outcome(), round(kills * STORM)
    async with AsyncExitStack() as stack:
        lanes = [
            await stack.enter_async_context(
                open_lane(dsn, _made(folder / f"lane{number}"), seed + number, providers=True)
            )
            for number, dsn in enumerate(dsns[:-1])
        ]
        passed = await measure(lanes[0])
        outcome.places = sum(most["line"] for most in passed.values())
        most = round(chosen * (kills - workers))
        todo = spread([*every_fate(passed, ("wire", "statement"))], most // 2)
        todo += spread([*every_fate(passed, ("line",))], most - len(todo))
        random.shuffle(todo)
        chances = any_fates(passed, random)

        async def walk(lane: Lane) -> None:
            while sum(one.counts["kills"] for one in lanes) < kills - workers:
                if not todo:
                    lane.grow_moody(MOODY)
                await lane.play(todo.pop() if todo else next(chances))

        await asyncio.gather(*(walk(lane) for lane in lanes))
        for lane in lanes:
            await close_books(lane, outcome)
    async with open_lane(dsns[-1], _made(folder / "storm"), seed, role="storm", providers=True) as lane:
        lane.grow_moody(MOODY)
        await storm.blow(lane, KINDS, random, workers)
        await close_books(lane, outcome)
    return outcome


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


async def close_books(lane: Lane, outcome: Outcome) -> None:
    """Compare the two ledgers of a lane, resolve its doubts, and compare again."""
    await lane.rest()
    outcome.counts += lane.counts
    outcome.met |= lane.met
    await lane.pool.execute("update openbell.clock set shift = shift + interval '1 hour'")
    await lane.pool.execute("select openbell.recover_spends('10 seconds')")
    await lane.pool.execute("update openbell.clock set shift = shift + interval '1 hour'")
    await _close(lane, outcome, lane.shop.sales)
    for provider, names in clients.PROVIDERS.items() if lane.gateway else ():
        assert lane.gateway is not None
        sales = await lane.gateway.sales(lane.pool, provider)
        outcome.billed[provider] += len(sales)
        if provider == "fmp":
            outcome.violations += [
                ("reads count as the provider counts", said) for said in await _uncounted(lane, sales)
            ]
            sales = []
        await _close(lane, outcome, sales, names)
    outcome.violations += [("who stood still does not send", f"{sale}") for sale in _sent_asleep(lane)]
    wrong = [word for word in lane.counts if word.startswith(("died", "endless"))]
    outcome.violations += [("processes end as they must", word) for word in wrong]


async def _close(
    lane: Lane, outcome: Outcome, sales: Sequence[Mapping[str, Any]], products: Sequence[str] = STORE
) -> None:
    """The same for one provider."""
    books = await read_books(lane.pool, sales, products)
    outcome.sales += len(books.sales)
    outcome.late += len(books.late)
    outcome.charged += sum(sale["cost"] for sale in books.sales)
    outcome.violations += check_books(books)
    answers = await resolve_doubts(lane.pool, books)
    outcome.doubtful += len(answers)
    outcome.violations += [("every doubt can be resolved", said) for said in answers if said != "resolved"]
    outcome.violations += check_books(await read_books(lane.pool, sales, products), IN_THE_END)


async def _uncounted(lane: Lane, sales: Sequence[Mapping[str, Any]]) -> list[str]:
    """Free reads that the provider has counted and we have not; we may count one that never arrived."""
    ours = await lane.pool.fetchval(
        "select count(*) from openbell.spend where provider = 'fmp' and state in ('settled', 'unknown')"
    )
    return [f"we have counted {ours} reads, and the provider {len(sales)}"] if len(sales) > ours else []


def _sent_asleep(lane: Lane) -> Iterator[Mapping[str, Any]]:
    """Sales to processes that slept for longer than they might before the very last look at the clock."""
    for sale in lane.shop.sales:
        story = lane.told[int(sale["name"].rpartition(":")[2]) - 1]
        if (
            sale["late"]
            and "stop at statement" in story
            and "stop at line" not in story
            and "stop at wire" not in story
        ):
            yield sale


async def try_mutant(name: str, dsn: str, folder: Path) -> Outcome:
    """Play the stories that must show what is broken."""
    plan, outcome = dict(MONEY[name].plan), Outcome()
    kinds = plan.pop("kinds")
    async with open_lane(dsn, folder, 1, name, providers=bool({*kinds} & {*clients.KINDS})) as lane:
        passed = await measure(lane, kinds)
        for story in every_fate(passed, **plan):
            await lane.play(story)
        await close_books(lane, outcome)
    return outcome
