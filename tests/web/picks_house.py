"""A web process with people, facts and editions of picks, and no worker: states stay as a test has put them."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg

from openbell.people import add_person
from openbell.people.doors import open_session
from openbell.people.person import Role
from openbell.products import registry
from openbell.products.picks.content import Citation, Made, Stored
from openbell.products.picks.editions import ALL, EditionKey
from openbell.products.picks.plain import edition
from openbell.products.picks.store import attest, publish, set_status
from openbell.products.picks.words import Kind, Status
from tests.products.picks.desk import FACTS, NEW_YORK, WEEK
from tests.web.conftest import Site, serve

NOW = datetime(2030, 3, 5, 10, 0, tzinfo=NEW_YORK)
_names = itertools.count(1)


@dataclass
class Picks:
    """The house."""

    site: Site
    pool: asyncpg.Pool

    async def reader(
        self, *, personal: bool = True, role: Role = "subscriber", **profile: Any
    ) -> tuple[int, dict[str, str]]:
        """Somebody who has signed in: their id, and the headers of their requests."""
        n = next(_names)
        who = await add_person(
            self.pool, f"picks{n}@example.com", name="Rea Der", role=role, state="active", actor="test"
        )
        await self.pool.execute(
            "insert into openbell.picks_profile (person_id, profile, personal) values ($1, $2, $3)",
            who.id,
            profile,
            personal,
        )
        secret = await open_session(self.pool, who.id)
        return who.id, {"cookie": f"openbell={secret}", "origin": self.site.address}

    async def publish(self, whose: int | str, kind: Kind, *, weeks_ago: int = 0, synthetic: bool = True) -> Stored:
        """An edition as a worker would have published it."""
        key = EditionKey.of(whose, WEEK - timedelta(weeks=weeks_ago))
        cited = [Citation(number=1, url="https://news.example/synthetic/1", title="Synthetic page about the market")]
        stored = edition(FACTS).model_copy(update={"citations": cited, "synthetic": "synthetic" if synthetic else None})
        made = Made(provider="perplexity", model="perplexity/sonar", prompt="personal@1#abc", at=NOW.astimezone(UTC))
        await publish(self.pool, key, kind, stored, made)
        return stored

    async def slot(self, whose: int | str, status: Status, *, code: str | None = None, said: str | None = None) -> str:
        """A place in that status, with a job while it is live."""
        key = EditionKey.of(whose, WEEK)
        await self.pool.execute(
            "insert into openbell.picks_slot (edition, person_id, week, reason) values ($1, $2, $3, 'new_week')"
            " on conflict do nothing",
            key,
            key.person_id,
            WEEK,
        )
        await set_status(self.pool, status, key, code=code, message=said)
        if status.is_live:
            await self.pool.execute(
                "insert into openbell.job (product, key, bundled, job_class, number, max_attempts, queued_at, progress)"
                " values ('picks-edition', $1, false, 0, 1, 20, openbell.now(), $2) on conflict do nothing",
                key,
                said,
            )
        return key

    async def counts(self) -> tuple[int, ...]:
        """How many rows there are of everything that a read must not touch."""
        tables = ("picks_slot", "picks_edition", "picks_answer", "picks_fact", "job", "demand", "spend", "audit")
        return tuple([await self.site.count(table) for table in tables])


@asynccontextmanager
async def picks_house(dsn: str, pool: asyncpg.Pool, **config: Any) -> AsyncIterator[Picks]:
    """The house on a Tuesday, whose operator has attested."""
    await registry().seed(pool)
    await pool.execute("update openbell.clock set shift = $1::timestamptz - clock_timestamp()", NOW)
    await attest(pool, "Ann Example", given=True, actor="test")
    async with serve(dsn, pool, **({"picks_enabled": True} | config)) as site:
        await site.ready()
        origins = site.app.state.config.allowed_origins
        if origins == "own":
            object.__setattr__(site.app.state.config, "allowed_origins", [site.address])
        yield Picks(site, pool)


__all__ = ["ALL", "Picks", "picks_house"]
