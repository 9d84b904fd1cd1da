"""A background duty: something small that is done again and again until it is asked to stop."""

from __future__ import annotations

import asyncio
import logging
from abc import ABC, abstractmethod

from openbell.telemetry.tally import swallowed

log = logging.getLogger(__name__)


class Duty(ABC):
    """One beat after the other, with the wait that the beat asks for. One that fails is logged and tried again."""

    name = "duty"
    patience_s = 5.0

    def __init__(self) -> None:
        self._stopping = asyncio.Event()
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self.failures = 0

    @abstractmethod
    async def beat(self) -> float:
        """Do it once; return the seconds until the next time."""

    def start(self) -> None:
        """Begin; the first beat comes at once."""
        self._task = asyncio.create_task(self._loop(), name=self.name)

    def wake(self) -> None:
        """Do not wait any longer before the next beat."""
        self._wake.set()

    async def stop(self) -> None:
        """Ask it to stop, wait for the beat under way, and only then cancel."""
        self._stopping.set()
        self._wake.set()
        if self._task is not None:
            done, _ = await asyncio.wait({self._task}, timeout=self.patience_s)
            if not done:
                self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _loop(self) -> None:
        while not self._stopping.is_set():
            try:
                pause_s = await self.beat()
            except Exception as error:  # noqa: BLE001 (whatever it is, the next beat comes)
                self.failures += 1
                swallowed(f"duty.{self.name}", error)
                pause_s = min(0.25 * 2 ** min(self.failures, 5), 5.0)
                log.warning("duty.failed name=%s error=%s: %s", self.name, type(error).__name__, error)
            else:
                self.failures = 0
            await self._rest(pause_s)

    async def _rest(self, pause_s: float) -> None:
        try:
            await asyncio.wait_for(self._wake.wait(), pause_s)
        except TimeoutError:
            pass
        if not self._stopping.is_set():
            self._wake.clear()
