"""The combiner turns contention into batches and hands each caller its own answer."""

from __future__ import annotations

import asyncio

import pytest

from openbell.engine.combiner import Combiner


class Till:
    """Doubles numbers; a batch takes until the gate is open."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.gate = asyncio.Event()
        self.gate.set()

    async def run(self, requests: list[int]) -> list[int]:
        self.batches.append(requests)
        await self.gate.wait()
        if -1 in requests:
            raise ValueError("minus one")
        return [2 * request for request in requests]


async def test_one_request_runs_at_once() -> None:
    """PF-19: without contention nothing waits for company."""
    till = Till()
    assert await asyncio.wait_for(Combiner(till.run).ask(4), 30) == 8
    assert till.batches == [[4]]


async def test_each_caller_gets_its_own_answer() -> None:
    """PF-19: what arrives during a batch forms the next one, in order, and never more than the most at once."""
    till = Till()
    till.gate.clear()
    combiner: Combiner[int, int] = Combiner(till.run, most=10)
    asks = [asyncio.create_task(combiner.ask(n)) for n in range(25)]
    for _ in range(3):
        await asyncio.sleep(0)
    till.gate.set()
    assert await asyncio.gather(*asks) == [2 * n for n in range(25)]
    assert [n for batch in till.batches for n in batch] == list(range(25))
    assert all(len(batch) <= 10 for batch in till.batches)


async def test_beside_a_batch_only_a_full_one_is_begun() -> None:
    """PF-19: few requests wait for the batch under way; a full batch does not, and never more than allowed run."""
    till = Till()
    till.gate.clear()
    combiner: Combiner[int, int] = Combiner(till.run, most=10, at_once=2)

    async def after(*requests: int) -> list[int]:
        asks.extend(asyncio.create_task(combiner.ask(n)) for n in requests)
        for _ in range(4):
            await asyncio.sleep(0)
        return [len(batch) for batch in till.batches]

    asks: list[asyncio.Task[int]] = []
    assert await after(0) == [1]
    assert await after(*range(1, 10)) == [1]
    assert await after(10) == [1, 10]
    assert await after(*range(11, 41)) == [1, 10]
    till.gate.set()
    assert await asyncio.gather(*asks) == [2 * n for n in range(41)]
    assert [n for batch in till.batches for n in batch] == list(range(41))
    assert all(till.batches)


async def test_as_many_as_a_full_batch_in_one_moment() -> None:
    """PF-19: a second batch that was begun for nothing asks for nothing."""
    till = Till()
    combiner: Combiner[int, int] = Combiner(till.run, most=10, at_once=2)
    assert await asyncio.gather(*(combiner.ask(n) for n in range(10))) == [2 * n for n in range(10)]
    assert till.batches == [list(range(10))]


async def test_an_error_reaches_its_batch_only() -> None:
    """PF-35: every caller of the batch that failed gets the error; the next batch is answered."""
    till = Till()
    till.gate.clear()
    combiner: Combiner[int, int] = Combiner(till.run)
    first = asyncio.create_task(combiner.ask(-1))
    await asyncio.sleep(0)
    second = asyncio.create_task(combiner.ask(5))
    await asyncio.sleep(0)
    till.gate.set()
    with pytest.raises(ValueError, match="minus one"):
        await first
    assert await second == 10
    assert await combiner.ask(6) == 12


async def test_a_caller_that_leaves_harms_nobody() -> None:
    """PF-50: a cancelled caller leaves the others their answers."""
    till = Till()
    till.gate.clear()
    combiner: Combiner[int, int] = Combiner(till.run)
    asks = [asyncio.create_task(combiner.ask(n)) for n in range(3)]
    await asyncio.sleep(0)
    asks[0].cancel()
    asks[1].cancel()
    till.gate.set()
    assert await asks[2] == 4
    with pytest.raises(asyncio.CancelledError):
        await asks[0]


async def test_a_wrong_number_of_answers_is_an_error() -> None:
    """PF-35: when the answers do not match the requests, the callers hear of it instead of waiting for ever."""

    async def short(requests: list[int]) -> list[int]:
        return requests[:-1]

    combiner: Combiner[int, int] = Combiner(short)
    asks = [asyncio.create_task(combiner.ask(n)) for n in range(3)]
    answers = await asyncio.wait_for(asyncio.gather(*asks, return_exceptions=True), 30)
    assert all(isinstance(answer, Exception) for answer in answers)
