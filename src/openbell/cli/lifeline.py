"""No child outlives `openbell up`, however it ends.

The parent holds the writing end of a pipe and never writes. When it is gone, even by kill -9, the kernel closes that
end and every child reads end-of-file: it drains as if asked to, and leaves for good a moment later.
"""

from __future__ import annotations

import os
import signal
import threading
import time

VARIABLE = "OPENBELL_LIFELINE_FD"
GRACE_S = 3.0


def hold() -> None:
    """Watch the parent's pipe, when there is one. Call first thing, before anything slow is imported."""
    given = os.environ.pop(VARIABLE, "")
    if given.isdigit():
        os.set_inheritable(int(given), False)
        threading.Thread(target=_watch, args=(int(given),), name="lifeline", daemon=True).start()


def _watch(descriptor: int) -> None:
    while os.read(descriptor, 1):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(GRACE_S)
    os._exit(1)
