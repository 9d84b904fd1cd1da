"""Our flags behind the interface of OpenFeature, for code that already asks that way. Needs the extra `flags`.

    provider = OpenbellProvider("postgresql://…")
    await provider.start()
    openfeature.api.set_provider(provider)
    client.get_boolean_value("demand-quote", False, EvaluationContext(targeting_key="AAPL"))

Answers come from a copy of the table in memory, which is read again when a hint says so, and every five seconds at the
latest; while the database is away the last copy serves. A flag that is missing gives the caller's default, one without
a targeting key is judged for all keys alike: it is on when it is on for all. Protocol: openfeature.dev/specification.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

import asyncpg
from openfeature.evaluation_context import EvaluationContext
from openfeature.exception import ErrorCode
from openfeature.flag_evaluation import FlagResolutionDetails, FlagValueType, Reason
from openfeature.provider import AbstractProvider
from openfeature.provider.metadata import Metadata

from openbell.engine.flags import Flag, judge, list_flags
from openbell.engine.hints import Hint, Hints
from openbell.engine.persist import DATABASE_ERRORS
from openbell.postgres.pool import open_pool
from openbell.telemetry.tally import swallowed

POLL_S = 5.0


class OpenbellProvider(AbstractProvider):
    """Boolean flags by :func:`openbell.engine.flags.judge`; other types are answered with TYPE_MISMATCH."""

    def __init__(self, dsn: str, *, poll_s: float = POLL_S) -> None:
        super().__init__()
        self._dsn = dsn
        self._poll_s = poll_s
        self._flags: Mapping[str, Flag] | None = None
        self._pool: asyncpg.Pool | None = None
        self._task: asyncio.Task[None] | None = None
        self._hints: Hints | None = None
        self._changed = asyncio.Event()

    async def start(self) -> None:
        """Read the flags once, and keep reading. Raises what the database does when it is away at the start."""
        self._pool = await open_pool(self._dsn, name="openfeature", max_size=1)
        self._hints = Hints(self._pool, self._dsn, name="openfeature hints")
        self._hints.subscribe(self._hear)
        self._hints.start()
        await self.refresh()
        self._task = asyncio.create_task(self._follow(), name="openfeature")

    async def stop(self) -> None:
        """Stop reading; the last copy serves on."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        if self._hints is not None:
            await self._hints.stop()
        if self._pool is not None:
            self._pool.terminate()

    async def refresh(self) -> None:
        """Take the flags as they are now, all at once."""
        assert self._pool is not None
        self._flags = {flag.name: flag for flag in await list_flags(self._pool)}

    def _hear(self, hint: Hint) -> None:
        if hint.kind == "flag" or hint.keys is None:
            self._changed.set()

    async def _follow(self) -> None:
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._changed.wait(), self._poll_s)
            self._changed.clear()
            try:
                await self.refresh()
            except DATABASE_ERRORS as error:
                swallowed("openfeature.refresh", error)

    def get_metadata(self) -> Metadata:
        """The name of this provider."""
        return Metadata(name="openbell")

    def resolve_boolean_details(
        self,
        flag_key: str,
        default_value: bool,
        evaluation_context: EvaluationContext | None = None,
    ) -> FlagResolutionDetails[bool]:
        """Whether a flag is on for the targeting key, and why."""
        if self._flags is None:
            return _error(default_value, ErrorCode.PROVIDER_NOT_READY, "no flags were read yet: await provider.start()")
        flag = self._flags.get(flag_key)
        if flag is None:
            return _error(default_value, ErrorCode.FLAG_NOT_FOUND, f"there is no flag {flag_key!r}")
        key = evaluation_context.targeting_key if evaluation_context else None
        found = judge(flag, key or "")
        on = found.on if key else flag.mode == "on"
        reason = {"percent": Reason.SPLIT, "on": Reason.STATIC}.get(flag.mode, Reason.DISABLED)
        if flag.mode in ("percent", "on") and key and (key in flag.deny or key in flag.allow):
            reason = Reason.TARGETING_MATCH
        return FlagResolutionDetails(
            value=on,
            reason=reason,
            variant="on" if on else "off",
            flag_metadata={"why": found.why, "owner": flag.owner},
        )

    def resolve_string_details(
        self,
        flag_key: str,
        default_value: str,
        evaluation_context: EvaluationContext | None = None,  # noqa: ARG002 (as the interface has it)
    ) -> FlagResolutionDetails[str]:
        """No flag of ours is a text."""
        return self._no(flag_key, default_value)

    def resolve_integer_details(
        self,
        flag_key: str,
        default_value: int,
        evaluation_context: EvaluationContext | None = None,  # noqa: ARG002 (as the interface has it)
    ) -> FlagResolutionDetails[int]:
        """No flag of ours is a number."""
        return self._no(flag_key, default_value)

    def resolve_float_details(
        self,
        flag_key: str,
        default_value: float,
        evaluation_context: EvaluationContext | None = None,  # noqa: ARG002 (as the interface has it)
    ) -> FlagResolutionDetails[float]:
        """No flag of ours is a number."""
        return self._no(flag_key, default_value)

    def resolve_object_details(
        self,
        flag_key: str,
        default_value: Sequence[FlagValueType] | Mapping[str, FlagValueType],
        evaluation_context: EvaluationContext | None = None,  # noqa: ARG002 (as the interface has it)
    ) -> FlagResolutionDetails[Sequence[FlagValueType] | Mapping[str, FlagValueType]]:
        """No flag of ours is an object."""
        return self._no(flag_key, default_value)

    def _no(self, flag_key: str, default: Any) -> FlagResolutionDetails[Any]:
        if self._flags is not None and flag_key in self._flags:
            return _error(default, ErrorCode.TYPE_MISMATCH, f"{flag_key} is on or off, and nothing else")
        return _error(default, ErrorCode.FLAG_NOT_FOUND, f"there is no flag {flag_key!r}")


def _error(default: Any, code: ErrorCode, message: str) -> FlagResolutionDetails[Any]:
    return FlagResolutionDetails(value=default, reason=Reason.ERROR, error_code=code, error_message=message)
