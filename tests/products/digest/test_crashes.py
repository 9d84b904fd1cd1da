"""Processes that die at every step of a digest: nothing is paid for twice, and the digest comes out the same."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any

import asyncpg
import pytest

from openbell.engine.attempt import Attempt
from openbell.products.sources import Source
from openbell.providers.llm.client import Llm
from openbell.providers.scrapfly import Scrapfly
from tests.products.digest.newsroom import Newsroom, with_models
from tests.sandbox.harness import Running, Start


class Killed(BaseException):
    """The process is gone: nothing after this line happens."""


Opened = Callable[[Running, Mapping[str, Source], str], Awaitable[Newsroom]]


@pytest.fixture
async def opened(pool: asyncpg.Pool) -> AsyncIterator[Opened]:
    """Opens newsrooms, and closes them in the end."""
    rooms: list[Newsroom] = []

    async def opener(sandbox: Running, sources: Mapping[str, Source], models: str) -> Newsroom:
        rooms.append(await Newsroom.open(pool, sandbox, sources, models=models))
        return rooms[-1]

    yield opener
    for room in rooms:
        await room.close()


async def billed(sandbox: Running) -> dict[str, int]:
    """How many calls each provider has billed."""
    entries = (await sandbox.client.get("/_control/ledger")).json()["entries"]
    found: dict[str, int] = {}
    for one in entries:
        if one["billed"] and one["provider"] in ("anthropic", "scrapfly"):
            found[one["provider"]] = found.get(one["provider"], 0) + 1
    return found


async def questions(pool: asyncpg.Pool) -> int:
    """How many different questions were asked of the model; one that got no usable answer is asked once more."""
    found: int = await pool.fetchval(
        "select count(distinct idempotency_key) from openbell.spend where provider = 'anthropic'"
    )
    return found


class Fate:
    """Kills the attempt the next time it has finished a step that it has not been killed at, before that is written."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, every: int) -> None:
        self.kills, self.armed, self.dead = 0, True, False
        self.seen: set[str] = set()
        usual = Attempt.step
        fate = self

        async def step(attempt: Attempt, name: str, work: Any) -> Any:
            async def fatal() -> Any:
                if fate.dead:
                    raise Killed
                result = await work()
                if fate.armed and not fate.dead and name not in fate.seen:
                    fate.seen.add(name)
                    fate.dead = len(fate.seen) % every == 0
                    fate.kills += fate.dead
                if fate.dead:
                    raise Killed  # and whatever else was under way is lost with it
                return result

            return await usual(attempt, name, fatal)

        monkeypatch.setattr(Attempt, "step", step)


async def gather_in_spite(room: Newsroom, fate: Any) -> Any:
    """The inputs, however often the process dies."""
    for _ in range(200):
        fate.dead = False
        try:
            return await room.gather("IBM", edition="weekly", job="the digest")
        except Killed:
            await room.attempts[-1].close()
            await room.be_killed()
    raise AssertionError("it never came to an end")


async def test_a_kill_at_every_step(
    start: Start, opened: Opened, pool: asyncpg.Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """DG-3, DG-39: killed after every fifth step, with its result unwritten, a digest costs what it costs without."""
    sandbox = await start()
    room = await opened(sandbox, with_models(sandbox), "anthropic:claude-haiku-5-5")
    fate = Fate(monkeypatch, every=5)
    inputs = await gather_in_spite(room, fate)
    assert fate.kills >= 8
    assert len(inputs.articles) >= 3
    asked = await questions(pool)
    assert (await billed(sandbox))["anthropic"] == asked
    fate.armed = False
    again = await room.gather("IBM", edition="weekly", job="another job")
    assert again == inputs
    assert (await billed(sandbox))["anthropic"] == asked


class Lost:
    """Kills the attempt right after a paid answer has come, before anybody has noted it; every second time."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, what: Any, name: str) -> None:
        self.kills, self.calls, self.dead = 0, 0, False
        usual = getattr(what, name)
        fate = self

        async def fatal(self: Any, *given: Any, **named: Any) -> Any:
            if fate.dead:
                raise Killed
            result = await usual(self, *given, **named)
            fate.calls += 1
            if not fate.dead and fate.calls % 2:
                fate.dead = True
                fate.kills += 1
            if fate.dead:
                raise Killed
            return result

        monkeypatch.setattr(what, name, fatal)


async def test_a_kill_with_every_answer_in_hand(
    start: Start, opened: Opened, pool: asyncpg.Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """DC-1, DG-39: an answer that was lost with its process is not bought again; the article goes without it."""
    sandbox = await start()
    room = await opened(sandbox, with_models(sandbox), "anthropic:claude-haiku-5-5")
    fate = Lost(monkeypatch, Llm, "ask")
    inputs = await gather_in_spite(room, fate)
    assert fate.kills >= 3
    assert sum(inputs.outcomes.values()) == len(inputs.candidates)
    assert (await billed(sandbox))["anthropic"] == await questions(pool)


async def test_paid_pages_are_paid_once(
    start: Start, opened: Opened, pool: asyncpg.Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """DG-8, DG-39: pages that are not to be had for nothing are paid for within the cap of the job, and none twice."""
    sandbox = await start()
    await sandbox.fault("forbidden", provider="news", path="sites/*")
    room = await opened(sandbox, with_models(sandbox, scrapfly=True), "none")
    fate = Lost(monkeypatch, Scrapfly, "scrape")
    inputs = await gather_in_spite(room, fate)
    paid = await pool.fetch("select idempotency_key from openbell.spend where provider = 'scrapfly'")
    assert len(paid) == len({row["idempotency_key"] for row in paid})
    assert 3 <= len(paid) <= 10
    assert (await billed(sandbox)).get("scrapfly", 0) <= len(paid)
    assert inputs.articles
