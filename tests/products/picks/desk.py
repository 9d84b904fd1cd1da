"""A small house in which picks are made: people, facts, workers, and the sandbox that is asked."""

from __future__ import annotations

import itertools
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import asyncpg

from openbell.engine.registry import Registry
from openbell.engine.schedules import seed_schedules
from openbell.people import add_person
from openbell.products.context import contexts
from openbell.products.picks.config import PicksConfig
from openbell.products.picks.content import Stored
from openbell.products.picks.editions import ALL, EditionKey
from openbell.products.picks.figures import Fact
from openbell.products.picks.queueing import Queued, queue_one
from openbell.products.picks.store import attest, read_slot
from openbell.products.picks.tasks import (
    WATCH,
    WEEKLY,
    picks_batch,
    picks_edition,
    picks_figures,
    picks_watch,
    picks_week,
)
from openbell.products.picks.words import Reason, Status
from openbell.products.sources import Connections, Source
from openbell.sandbox.companies import COMPANIES
from tests.sandbox.harness import Running
from tests.support import eventually

TASKS = (picks_edition, picks_batch, picks_figures, picks_week, picks_watch)
WEEK = date(2030, 3, 4)
NEW_YORK = ZoneInfo("America/New_York")
CONFIG = PicksConfig(enabled=True, budget=1_000_000_000, effort="low@2026-10-16.0", hold=500_000, members=3)
_names = itertools.count(1)


def fact(ticker: str, **other: Any) -> Fact:
    """What is stored of one of the sandbox's companies."""
    company, n = COMPANIES[ticker], sum(map(ord, ticker))
    known: dict[str, Any] = {
        "name": company.name, "exchange": company.exchange, "sector": company.sector, "currency": "USD",
        "day": WEEK - timedelta(days=3), "close": 20.0 + n, "momentum": (n % 60) / 100 - 0.2,
        "value": 0.02 + (n % 9) / 100, "quality": (n % 40) / 100, "risk": 0.15 + (n % 30) / 100,
        "price_earnings": 1 / (0.02 + (n % 9) / 100), "dividend_yield": (n % 5) / 100,
        "checked": WEEK - timedelta(days=2),
    }  # fmt: skip
    return Fact(ticker=ticker, **(known | other))


FACTS = {ticker: fact(ticker) for ticker in itertools.islice(COMPANIES, 60)}


@dataclass
class Desk:
    """The house. Its people are made by :meth:`person`, its work by the workers of :meth:`work`."""

    pool: asyncpg.Pool
    sandbox: Running
    employ: Callable[..., Awaitable[Any]]
    opened: list[Connections]
    config: PicksConfig = CONFIG
    gpt_at_home: bool = True

    @classmethod
    async def open(
        cls, pool: asyncpg.Pool, sandbox: Running, employ: Any, opened: list[Connections], **config: Any
    ) -> Desk:
        """With facts for the week, and an operator who has attested."""
        await Registry(TASKS, [WEEKLY, WATCH]).seed(pool)
        await seed_schedules(pool, [WEEKLY, WATCH])
        made = cls(pool, sandbox, employ, opened, replace(CONFIG, **config))
        await made.go_to(datetime(2030, 3, 4, 5, 30, tzinfo=NEW_YORK))
        await made.keep_facts(FACTS.values())
        await attest(pool, "Ann Example", given=True, actor="test")
        return made

    async def go_to(self, time: datetime) -> None:
        """Everybody's clock."""
        await self.pool.execute("update openbell.clock set shift = $1::timestamptz - clock_timestamp()", time)

    async def keep_facts(self, facts: Any, week: date = WEEK) -> None:
        """What is known of companies in a week."""
        rows = [one.model_dump(mode="json") for one in facts]
        await self.pool.execute(
            "insert into openbell.picks_fact select $1, f ->> 'ticker', f from jsonb_array_elements($2::jsonb) f",
            week,
            rows,
        )

    async def person(self, *, personal: bool = True, **profile: Any) -> int:
        """Somebody who is active; their id."""
        n = next(_names)
        made = await add_person(self.pool, f"reader{n}@example.com", name=f"Reader {n}", state="active", actor="test")
        await self.pool.execute(
            "insert into openbell.picks_profile (person_id, profile, personal) values ($1, $2, $3)",
            made.id,
            profile,
            personal,
        )
        return made.id

    @property
    def connections(self) -> Connections:
        """Whom workers ask."""
        source = Source(f"{self.sandbox.url}/perplexity", key="sandbox", plan="1000", budget=2_000_000_000)
        llm = Source(f"{self.sandbox.url}/anthropic", key="sandbox", budget=2_000_000_000)
        gpt = Source(f"{self.sandbox.url}/openai/v1", key="sandbox", budget=2_000_000_000, at_home=self.gpt_at_home)
        return Connections({"perplexity": source, "anthropic": llm, "openai": gpt}, picks=self.config)

    async def work(self, **other: Any) -> Any:
        """A worker that looks often, as tests cannot wait for minutes."""
        connections = self.connections
        self.opened.append(connections)
        limits = [one for one in connections.limits if one.period != "second"]
        return await self.employ(*TASKS, limits=limits, context=contexts(connections), **other)

    async def ask(self, person: int | str, reason: Reason = Reason.NEW_USER, week: date = WEEK) -> Queued:
        """Have an edition queued."""
        key = EditionKey.of(person, week)
        return await queue_one(self.pool, picks_edition, key, reason, batch_task=picks_batch)

    async def status(self, person: int | str, week: date = WEEK) -> Status | None:
        """How far it is."""
        slot = await read_slot(self.pool, EditionKey.of(person, week))
        return None if slot is None else slot.status

    async def ends(self, person: int | str, week: date = WEEK) -> Status:
        """How it ends, and its job where it failed; what waits to be tried again is hurried."""

        async def over() -> Status | None:
            slot = await read_slot(self.pool, EditionKey.of(person, week))
            if slot is not None and (slot.status is Status.COMPLETE or not (slot.status.is_live or slot.job_id)):
                return slot.status
            await self.hurry()
            return None

        found = await eventually(over)
        assert found is not None
        return found

    async def hurry(self) -> None:
        """What waits for a time goes on now."""
        await self.pool.execute(
            "update openbell.job set parked_until = openbell.now() where parked_until > openbell.now()"
        )

    async def edition(self, person: int | str, week: date = WEEK) -> Stored | None:
        """What was published."""
        row = await self.pool.fetchval(
            "select content from openbell.picks_edition where edition = $1", EditionKey.of(person, week)
        )
        return None if row is None else Stored.model_validate(row)

    async def charges(self) -> int:
        """How many editions the sandbox has charged for."""
        ledger = await self.sandbox.ledger()
        return int(ledger["totals"]["by_provider"].get("perplexity", {}).get("billed_calls", 0))

    async def slot(self, person: int | str, week: date = WEEK) -> Any:
        """The slot as it stands."""
        found = await read_slot(self.pool, EditionKey.of(person, week))
        assert found is not None
        return found


__all__ = ["ALL", "CONFIG", "FACTS", "NEW_YORK", "TASKS", "WEEK", "Desk", "Sequence", "fact"]
