"""Finds the tasks that a producer has started and left behind, so that they do not live on in the worker."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Generator, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

from openbell.engine.blame import is_own, place_of_task

if TYPE_CHECKING:
    from openbell.engine.registry import Producer

Tasks = WeakSet[asyncio.Future[Any]]

_started: ContextVar[Tasks | None] = ContextVar("started", default=None)


@contextmanager
def noted() -> Iterator[Tasks]:
    """The tasks that are started within, also by those, are added to the set as they are started."""
    loop = asyncio.get_running_loop()
    if loop.get_task_factory() is None:
        loop.set_task_factory(_make)
    tasks: Tasks = WeakSet()
    token = _started.set(tasks)
    try:
        yield tasks
    finally:
        _started.reset(token)


def end_leaked(tasks: Tasks, producer: Producer) -> list[str]:
    """Cancel those of ``tasks`` that still run the producer's code; answers where each of them stood."""
    places = []
    for task in list(tasks):
        if not task.done() and _runs(task, producer):
            places.append(place_of_task(task, producer) or "an unknown place")
            task.cancel()
    return sorted(places)


def _runs(task: asyncio.Future[Any], producer: Producer) -> bool:
    """Whether the task was started with the producer's code, and nobody has asked it to stop."""
    coroutine = task.get_coro() if isinstance(task, asyncio.Task) else None
    frame = getattr(coroutine, "cr_frame", None)
    return frame is not None and is_own(frame, producer) and not (isinstance(task, asyncio.Task) and task.cancelling())


def _make(
    loop: asyncio.AbstractEventLoop, coroutine: Coroutine[Any, Any, Any] | Generator[Any, None, Any], **more: Any
) -> asyncio.Future[Any]:
    task: asyncio.Task[Any] = asyncio.Task(coroutine, loop=loop, **more)
    if (tasks := _started.get()) is not None:
        tasks.add(task)
    return task
