"""One attempt at one job, as its producer sees it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import asyncpg

from openbell.engine.database import SQL
from openbell.engine.errors import Fenced
from openbell.engine.freshness import Policy
from openbell.engine.ledger import Account
from openbell.engine.spends import Ledger, Settlement, Spends


@dataclass(frozen=True, slots=True)
class Claim:
    """A claimed job: what to make, and the token that every later write must carry."""

    id: int
    product: str
    key: str
    token: int
    attempt: int
    max_attempts: int
    job_class: int
    queued_at: datetime
    now: datetime
    timeout: timedelta
    ttl: timedelta
    stale_ttl: timedelta
    empty_ttl: timedelta
    retry_ttl: timedelta
    fresh_until: datetime | None

    @property
    def policy(self) -> Policy:
        """The freshness policy that was in force at the claim."""
        return Policy(self.ttl, self.stale_ttl, self.empty_ttl, self.retry_ttl)

    @property
    def needed(self) -> bool:
        """Whether the key still wants refreshing; another job may have done it between the sweep and the claim."""
        return self.fresh_until is None or self.fresh_until <= self.now


@dataclass(slots=True)
class Attempt:
    """What a producer may do: memoised steps, progress, and outside calls through :meth:`spends`."""

    claim: Claim
    pool: asyncpg.Pool
    ledger: Ledger
    accounts: Mapping[str, Sequence[Account]]
    sources: list[dict[str, Any]] = field(default_factory=list)
    _spends: dict[str, Spends] = field(default_factory=dict)
    _memo: dict[str, Any] | None = None

    def spends(self, provider: str) -> Spends:
        """The gate to ``provider`` for this attempt."""
        if provider not in self._spends:
            c = self.claim
            self._spends[provider] = Spends(
                self.ledger, provider, self.accounts.get(provider, ()), c.product, c.key, c.id, c.token
            )
        return self._spends[provider]

    @property
    def ended(self) -> list[Settlement]:
        """The outside calls that have ended and are to be written with whatever they were made for."""
        return [settlement for spends in self._spends.values() for settlement in spends.ended]

    def cite(self, **source: Any) -> None:
        """Where a part of the result is from: provider, operation, host, and ``synthetic`` where the data is not real."""
        self.sources.append({name: value for name, value in source.items() if value is not None})

    @property
    def provenance(self) -> dict[str, Any]:
        """Where the result is from: the first source, and how many there were."""
        return {**self.sources[0], "calls": len(self.sources)} if self.sources else {}

    async def step(self, name: str, work: Callable[[], Awaitable[Any]]) -> Any:
        """The result of ``work``, from the memo when an earlier attempt has finished it.

        The result must be JSON. It is written under the attempt's token; raises :class:`Fenced` when that is outdated.
        """
        if self._memo is None:
            rows = await self.pool.fetch(SQL.get("load_steps"), self.claim.id)
            self._memo = {row["name"]: row["value"] for row in rows}
        if name in self._memo:
            return self._memo[name]
        result = await work()
        if await self.pool.fetchval(SQL.get("save_step"), self.claim.id, self.claim.token, name, result) is None:
            raise Fenced(f"The attempt at {self.claim.product} {self.claim.key} is no longer this worker's.")
        self._memo[name] = result
        return result

    async def progress(self, words: str) -> None:
        """Say what is being done, for whoever waits. Raises :class:`Fenced` when the token is outdated."""
        if await self.pool.fetchval(SQL.get("set_progress"), self.claim.id, self.claim.token, words[:200]) is None:
            raise Fenced(f"The attempt at {self.claim.product} {self.claim.key} is no longer this worker's.")
