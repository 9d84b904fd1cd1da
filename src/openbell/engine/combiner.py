"""Turns contention into batches: requests that arrive while a batch is under way form the next one."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

Request = TypeVar("Request")
Answer = TypeVar("Answer")


class Combiner(Generic[Request, Answer]):
    """Calls ``run`` with lists of requests, one list at a time, and hands each caller its own answer.

    There is no timer: an idle combiner runs a single request at once. ``run`` must answer in the order of the requests;
    when it raises, every caller of that batch gets the error.
    """

    def __init__(self, run: Callable[[list[Request]], Awaitable[list[Answer]]], *, most: int = 200) -> None:
        self._run = run
        self._most = most
        self._waiting: list[tuple[Request, asyncio.Future[Answer]]] = []
        self._task: asyncio.Task[None] | None = None

    async def ask(self, request: Request) -> Answer:
        """The answer to one request. Cancelling the caller does not take its request out of a batch under way."""
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting.append((request, future))
        if self._task is None:
            self._task = asyncio.create_task(self._drain())
        return await future

    async def _drain(self) -> None:
        try:
            while self._waiting:
                batch, self._waiting = self._waiting[: self._most], self._waiting[self._most :]
                await self._answer(batch)
        finally:
            self._task = None

    async def _answer(self, batch: list[tuple[Request, asyncio.Future[Answer]]]) -> None:
        try:
            answers = await self._run([request for request, _ in batch])
            if len(answers) != len(batch):
                raise RuntimeError(f"{len(batch)} requests got {len(answers)} answers")
        except Exception as error:  # noqa: BLE001 (handed on to every caller)
            for _, future in batch:
                if not future.done():
                    future.set_exception(error)
            return
        for (_, future), answer in zip(batch, answers, strict=True):
            if not future.done():
                future.set_result(answer)
