"""What will become of a process: it ends, or stands still, at a moment that was chosen for it beforehand.

line        at the n-th line of the engine, of a client or of a product that runs from the first intent on
statement   a moment after the n-th statement with effects was given to the server, whatever the server makes of it
wire        at the n-th purchase (of a client: request), before or after the provider has accepted or answered it
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from dataclasses import asdict, dataclass
from types import FrameType
from typing import Any, Literal

import asyncpg

from openbell.engine import attempt, combiner, persist, runner, spends
from openbell.engine.database import SQL
from tests.chaos import clients, deals

EXIT = 77
"""The exit code of a process that met its fate by itself."""

Where = Literal["line", "statement", "wire", "nowhere"]
How = Literal["exit", "kill", "stop"]
SIGNALS: dict[How, signal.Signals] = {"kill": signal.SIGKILL, "exit": signal.SIGKILL, "stop": signal.SIGSTOP}
MOMENTS = ("before", "late", "after", "answered")
STATEMENTS = (
    "reserve_spends", "mark_sent", "save_step", "publish_artifact", "complete_task", "end_attempt", "settle_spends",
)  # fmt: skip
FILES = clients.FILES | {module.__file__ for module in (attempt, combiner, persist, runner, spends, deals)}


@dataclass(frozen=True, slots=True)
class Fate:
    """One moment, and what happens then. ``after_s`` is how long a statement has been at the server."""

    where: Where = "nowhere"
    number: int = 0
    how: How = "exit"
    moment: str = "after"
    after_s: float = 0.0

    def as_json(self) -> dict[str, Any]:
        """For an order."""
        return asdict(self)

    def __str__(self) -> str:
        detail = {"wire": f" {self.moment}", "statement": f" +{1000 * self.after_s:.1f} ms"}.get(self.where, "")
        return f"{self.how} at {self.where} {self.number}{detail}"


def meet(how: How) -> None:
    """End, or stand still until somebody says go on."""
    if how == "exit":
        os._exit(EXIT)
    os.kill(os.getpid(), SIGNALS[how])


class Watcher:
    """Counts what a process passes since :meth:`begin`, and lets it meet its fate."""

    def __init__(self) -> None:
        self.fate = Fate()
        self.lines = self.statements = self.purchases = 0
        self._counting = False

    def begin(self, fate: Fate) -> None:
        """From now on this is the fate of this process. Lines are counted only where one might be its last."""
        self.fate, self._counting = fate, False
        self.lines = self.statements = self.purchases = 0
        if fate.where == "line":  # it makes a process half as fast
            sys.settrace(self._trace)

    def end(self) -> dict[str, int]:
        """The attempt is over; how much of each there was."""
        sys.settrace(None)
        return {"line": self.lines, "statement": self.statements, "wire": self.purchases}

    def _trace(self, frame: FrameType, event: str, arg: Any) -> Any:
        if frame.f_code.co_filename not in FILES:
            return None
        if frame.f_code is CALL:
            self._counting = True
        return self._line

    def _line(self, frame: FrameType, event: str, arg: Any) -> Any:
        if event == "line" and self._counting:
            self.lines += 1
            if self.fate.where == "line" and self.lines == self.fate.number:
                meet(self.fate.how)
        return self._line

    def wire(self, kind: str) -> dict[str, Any]:
        """What goes with the next request to the provider."""
        if kind != "buy":
            return {}
        self.purchases += 1
        if self.fate.where != "wire" or self.purchases != self.fate.number:
            return {}
        return {"when": self.fate.moment, "signal": SIGNALS[self.fate.how], "pid": os.getpid()}

    async def statement(self, work: Any) -> Any:
        """Let a statement with effects run, unless the process ends while it does."""
        self.statements += 1
        running = asyncio.ensure_future(work)
        if self.fate.where == "statement" and self.statements == self.fate.number:
            await asyncio.wait({running}, timeout=self.fate.after_s)
            meet(self.fate.how)
        return await running


CALL = spends.Spends.call.__wrapped__.__code__  # type: ignore[attr-defined]


class Doomed:
    """A pool whose statements with effects pass the watcher."""

    def __init__(self, pool: asyncpg.Pool, watcher: Watcher) -> None:
        self._pool, self._watcher = pool, watcher
        self._watched = {SQL.get(name) for name in STATEMENTS}

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._pool, name)
        if name not in ("fetch", "fetchrow", "fetchval", "execute"):
            return method

        def run(statement: str, *args: Any, **options: Any) -> Any:
            work = method(statement, *args, **options)
            return self._watcher.statement(work) if statement in self._watched else work

        return run
