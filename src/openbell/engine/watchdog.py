"""Says where the event loop is stuck, while it is: a producer that blocks it cannot be stopped or told from inside."""

from __future__ import annotations

import asyncio
import logging
import sys
import threading
import time
from pathlib import PurePath

log = logging.getLogger(__name__)

LOOK_S = 1.0
BLOCKED_S = 3.0
FRAMES = 4


class Watchdog:
    """A thread beside the loop. It ends with the loop; :meth:`start` may be called again and again."""

    def __init__(self) -> None:
        self._thread: threading.Thread | None = None
        self._turn = 0.0

    def start(self) -> None:
        """Watch over the running loop, unless it is watched already."""
        if self._thread is None:
            self._thread = threading.Thread(
                target=self._watch,
                args=(asyncio.get_running_loop(), threading.get_ident()),
                name="watchdog",
                daemon=True,
            )
            self._turn = time.monotonic()
            self._thread.start()

    def _watch(self, loop: asyncio.AbstractEventLoop, thread: int) -> None:
        told = 0.0
        while True:
            time.sleep(LOOK_S)
            blocked_s = time.monotonic() - self._turn
            if blocked_s > BLOCKED_S + LOOK_S and told != self._turn:
                told = self._turn
                log.error("worker.blocked for_s=%.0f at=%s", blocked_s, _where(thread))
            try:
                loop.call_soon_threadsafe(self._take_turn)
            except RuntimeError:  # the loop is closed
                return

    def _take_turn(self) -> None:
        self._turn = time.monotonic()


def _where(thread: int) -> str:
    """The innermost places of a thread, the last call first."""
    frame = sys._current_frames().get(thread)  # noqa: SLF001 (documented, and the only way to look at another thread)
    places: list[str] = []
    while frame is not None and len(places) < FRAMES:
        code = frame.f_code
        places.append(f"{'/'.join(PurePath(code.co_filename).parts[-2:])}:{frame.f_lineno} in {code.co_name}")
        frame = frame.f_back
    return ", from ".join(places)
