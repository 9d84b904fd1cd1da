"""What a producer of this floor gets: its attempt, and the providers it may ask."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import httpx

from openbell.engine.attempt import Attempt
from openbell.providers.fmp import Fmp


@dataclass(frozen=True, slots=True)
class Connections:
    """The connection pools of a worker process to the outside services."""

    fmp: httpx.AsyncClient

    def context(self) -> Callable[[Attempt], Context]:
        """Makes the context of an attempt."""
        return lambda attempt: Context(attempt, self)

    async def close(self) -> None:
        """Close them all."""
        await self.fmp.aclose()


@dataclass(frozen=True, slots=True)
class Context:
    """One attempt and its providers."""

    attempt: Attempt
    connections: Connections

    @property
    def fmp(self) -> Fmp:
        """Financial Modeling Prep."""
        return Fmp(self.connections.fmp, self.attempt)
