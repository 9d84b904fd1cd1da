"""Questions that any queue on PostgreSQL should answer well, put to a small adapter.

Is a worker that lost its job still believed? Do two claims that overlap exceed a limit?

It needs nothing but the standard library, so that it runs in whatever environment an engine needs.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Literal


@dataclass(frozen=True, slots=True)
class Seen:
    """The job as the engine's tables tell it: who holds it, or how it ended and whose ``result`` was kept."""

    state: Literal["waiting", "running", "succeeded", "failed", "gone"]
    holder: str | None = None
    result: str | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """An answer: did the engine keep the promise, and what was seen. None where it promises no such thing."""

    kept: bool | None = field(kw_only=True)
    seen: str


class NotOffered(Exception):
    """The engine has no such feature, with the reason."""


class Engine(ABC):
    """What the suite asks of an engine. Workers are ``A`` and ``B``; a claim is whatever the adapter makes of it.

    The acts must be the engine's own: the statements or the processes that its workers use. Only time may be helped
    along, by ageing what it calls a lease.
    """

    name: str
    how: str
    """How the acts are done: by its own API or statements, or with real processes."""

    @abstractmethod
    async def open(self, dsn: str) -> str:
        """Install into an empty database; the version."""

    @abstractmethod
    async def close(self) -> None:
        """Let go of everything."""

    @abstractmethod
    async def add(self) -> None:
        """Queue one job."""

    @abstractmethod
    async def claim(self, worker: str) -> Any:
        """That worker claims the job and begins."""

    @abstractmethod
    async def lapse(self, claim: Any) -> None:
        """The worker falls silent for so long that the engine gives its job to the next who asks."""

    @abstractmethod
    async def succeed(self, claim: Any) -> None:
        """The worker reports success. May raise: a refusal."""

    @abstractmethod
    async def fail(self, claim: Any) -> None:
        """The worker reports that its attempt failed, in the way that makes the engine try again. May raise."""

    async def beat(self, claim: Any) -> None:
        """The worker says that it is alive. May raise."""
        raise NotOffered("no heartbeat per job")

    async def is_lapsed(self, claim: Any) -> bool:
        """Whether the engine would give this claim's job away now."""
        raise NotOffered("no heartbeat per job")

    @abstractmethod
    async def look(self) -> Seen:
        """The job as it is."""

    async def overlap(self, limit: int) -> int:
        """Two workers claim within transactions that overlap, under a limit on what runs at once: how many run then."""
        raise NotOffered("no limit on what runs at once across processes")


async def _handed_on(engine: Engine) -> tuple[Any, Any]:
    """The job was A's, who fell silent; now it is B's."""
    await engine.add()
    stale = await engine.claim("A")
    await engine.lapse(stale)
    fresh = await engine.claim("B")
    seen = await engine.look()
    assert (seen.state, seen.holder) == ("running", "B"), f"the set-up failed: {seen}"
    return stale, fresh


async def _late(engine: Engine, report: Callable[[Any], Awaitable[None]]) -> Verdict:
    stale, fresh = await _handed_on(engine)
    try:
        await report(stale)
        answer = "met no refusal"
    except NotOffered as error:
        return Verdict(kept=None, seen=str(error))
    except Exception as error:  # noqa: BLE001 - whatever an engine refuses with
        answer = f"was refused ({type(error).__name__})"
    seen = await engine.look()
    if (seen.state, seen.holder) != ("running", "B"):
        return Verdict(kept=False, seen=f"it {answer}; the job was {seen.state} while B worked on it")
    try:
        await engine.succeed(fresh)
    except Exception as error:  # noqa: BLE001 - the honest worker is refused
        return Verdict(kept=False, seen=f"it {answer}; then B's success failed with {type(error).__name__}")
    seen = await engine.look()
    if seen.state not in ("succeeded", "gone") or seen.result == "A":
        return Verdict(
            kept=False,
            seen=f"it {answer}; after B's success the job was {seen.state}, with the result of {seen.result}",
        )
    return Verdict(kept=True, seen=f"it {answer}; B's success counted")


async def stale_success(engine: Engine) -> Verdict:
    """A reports success after its job was given to B."""
    return await _late(engine, engine.succeed)


async def stale_failure(engine: Engine) -> Verdict:
    """A reports failure after its job was given to B."""
    return await _late(engine, engine.fail)


async def stale_beat(engine: Engine) -> Verdict:
    """A's heartbeat must not keep B's lease alive: when B falls silent too, the job goes on to the next."""
    stale, fresh = await _handed_on(engine)
    try:
        await engine.is_lapsed(fresh)
        await engine.lapse(fresh)
        await engine.beat(stale)
    except NotOffered as error:
        return Verdict(kept=None, seen=str(error))
    except Exception as error:  # noqa: BLE001 - a refusal, which is as good
        return Verdict(kept=True, seen=f"it was refused ({type(error).__name__})")
    if await engine.is_lapsed(fresh):
        return Verdict(kept=True, seen="it changed nothing for B")
    return Verdict(kept=False, seen="it prolonged the lease of B, who was silent")


async def overlap_of_one(engine: Engine) -> Verdict:
    """Limit 1, two claims that overlap."""
    return await _overlap(engine, 1)


async def overlap_of_two(engine: Engine) -> Verdict:
    """Limit 2, two claims that overlap, each asking for two."""
    return await _overlap(engine, 2)


async def _overlap(engine: Engine, limit: int) -> Verdict:
    try:
        running = await engine.overlap(limit)
    except NotOffered as error:
        return Verdict(kept=None, seen=str(error))
    return Verdict(kept=running <= limit, seen=f"{running} ran")


SCENARIOS: dict[str, Callable[[Engine], Awaitable[Verdict]]] = {
    "late success": stale_success,
    "late failure": stale_failure,
    "late heartbeat": stale_beat,
    "limit 1": overlap_of_one,
    "limit 2": overlap_of_two,
}
