"""Producers that do what none should: each job ends in a typed way, the worker lives, and one sees what and where.

As a program it is a worker process with one such producer: ``python -m tests.engine.test_bad_producers DSN``.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from openbell.engine import jobs
from openbell.engine.artifacts import Reading, read
from openbell.engine.blame import clean
from openbell.engine.demand import want
from openbell.engine.enqueue import enqueue
from openbell.engine.keys import Key
from openbell.engine.registry import Product, Registry, minutes, seconds, task
from openbell.engine.worker import Worker
from openbell.postgres.pool import open_pool
from tests.engine.conftest import Employ
from tests.engine.hand import Number, declare, ended, per_minute, queue
from tests.support import eventually

ROOT = Path(__file__).resolve().parents[2]
HERE = "engine/test_bad_producers.py:"
BLOCKED_S = 20.0
"""Longer than a lease of 10 s and the beat of 3 s after which another looks for lost ones."""

SECRET, PASSWORD = "s3cr3t-k3y", "hunter2"

Make = Callable[[Key, Any], Awaitable[Any]]


async def failed(pool: asyncpg.Pool, key: str = "a", name: str = "number") -> asyncpg.Record:
    """How a key's job has ended, when no other is left: what was queued for it meanwhile is skipped."""
    await eventually(lambda: ended(pool, key, name))
    query = "select not exists (select 1 from openbell.job where product = $1 and key = $2)"
    await eventually(lambda: pool.fetchval(query, name, key))
    first, *others = await ended(pool, key, name)
    assert first["word"] == "failed"
    assert {row["code"] for row in others} <= {"skipped"}
    return first


async def made(pool: asyncpg.Pool, key: str = "a", name: str = "number") -> Reading:
    """The value, once there is one."""

    async def look() -> Reading | None:
        reading = await read(pool, name, key)
        return reading if reading.version else None

    found = await eventually(look)
    assert found is not None
    return found


async def works_still(pool: asyncpg.Pool) -> None:
    """The worker makes another product."""
    await queue(pool, "after", name="good")
    await made(pool, "after", "good")


async def raises(key: Key, ctx: Any) -> Number:
    raise ValueError(f"cannot read https://ann:{PASSWORD}@shop.example/?api_key={SECRET}&symbol=A")


async def loses_a_file(key: Key, ctx: Any) -> Number:
    return Number(n=len(await asyncio.to_thread(Path("no such file").read_text)))


async def asks_nonsense(key: Key, ctx: Any) -> Number:
    return Number(n=await ctx.pool.fetchval("select nonsense"))


async def gives_up_waiting(key: Key, ctx: Any) -> Number:
    raise TimeoutError("nobody answered")


async def leaves(key: Key, ctx: Any) -> Number:
    sys.exit(3)


async def interrupts(key: Key, ctx: Any) -> Number:
    raise KeyboardInterrupt


async def cancels_itself(key: Key, ctx: Any) -> Number:
    raise asyncio.CancelledError


async def cancels_its_task(key: Key, ctx: Any) -> Number:
    current = asyncio.current_task()
    assert current is not None
    current.cancel()
    await asyncio.Event().wait()
    return Number(n=1)


async def calls_itself(key: Key, ctx: Any) -> Number:
    return await calls_itself(key, ctx)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (raises, "ValueError: cannot read https://…@shop.example/?api_key=…&symbol=A, at "),
        (loses_a_file, "FileNotFoundError: "),
        (asks_nonsense, "UndefinedColumnError: "),
        (gives_up_waiting, "TimeoutError: nobody answered, at "),
        (leaves, "SystemExit: 3, at "),
        (interrupts, "KeyboardInterrupt, at "),
        (cancels_itself, "CancelledError: it cancelled itself"),
        (cancels_its_task, "CancelledError: it cancelled itself"),
        (calls_itself, "RecursionError: maximum recursion depth exceeded"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
async def test_what_and_where(pool: asyncpg.Pool, employ: Employ, make: Make, said: str) -> None:
    """Bad input: whatever a producer raises uses an attempt and ends the job; its message says what and where."""
    await employ(declare(make=make, max_attempts=1), declare("good"))
    await queue(pool, "a")
    row = await failed(pool)
    assert (row["code"], row["attempts"]) == ("producer_failed", 1)
    assert row["message"].startswith(f"the producer failed with {said}")
    if "itself" not in said:
        assert row["message"].endswith(f" in {make.__name__}")
        assert f", at {HERE}" in row["message"]
    view = await jobs.get(pool, row["id"])
    assert view is not None
    assert view.timeline()[-1]["detail"] == row["message"]
    await works_still(pool)


async def test_a_secret_is_not_logged(pool: asyncpg.Pool, employ: Employ, caplog: pytest.LogCaptureFixture) -> None:
    """PF-40: what looks like a key or a password in an error is in no message and no log line."""
    await employ(declare(make=raises, max_attempts=1))
    await queue(pool, "a")
    row = await failed(pool)
    for text in (caplog.text, row["message"], repr(row["trail"]), (await read(pool, "number", "a")).reason):
        assert "test_bad_producers.py" in text
        assert SECRET not in text
        assert PASSWORD not in text


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("FMP_API_KEY=abc.def", "FMP_API_KEY=…"),
        ('{"token": "abc", "n": 1}', '{"token": "…", "n": 1}'),
        ("Authorization: Bearer abc.def-ghi", "Authorization: …"),
        ("sent Bearer abcdefghij to", "sent Bearer … to"),
        ("postgresql://ann:pw@host/db", "postgresql://…@host/db"),
        ("the key sk-ant-0123456789 is bad", "the key … is bad"),
        ("a monkey = 5, two\n\nlines\x00", "a monkey = 5, two lines"),
    ],
)
def test_secrets_are_left_out(text: str, cleaned: str) -> None:
    """PF-40: keys, tokens, passwords and credentials in addresses are masked; other text stays, in one line."""
    assert clean(text) == cleaned
    assert len(clean(text * 100)) <= 300


async def test_a_wrong_result_says_where(pool: asyncpg.Pool, employ: Employ) -> None:
    """Bad input: a wrong type and a value above the bound name the type, the sizes and the producer."""

    async def wrong(key: Key, ctx: Any) -> Any:
        return {"n": 1} if key == "a" else Number(n=1, text="x" * 2_000)

    await employ(declare(make=wrong, max_bytes=1_000))
    await queue(pool, "a", "b")
    for key, code, said in (
        ("a", "invalid_result", "the producer returned dict, not Number: engine/hand.py:"),
        ("b", "too_large", "bytes; number allows 1,000: engine/hand.py:"),
    ):
        row = await failed(pool, key)
        assert row["code"] == code
        assert said in row["message"]


async def insist(let_go: asyncio.Event) -> None:
    """Stay until one is let go, whoever cancels; half a minute at the most, so that a test that fails ends."""
    end = time.monotonic() + 30
    while not let_go.is_set() and time.monotonic() < end:
        with contextlib.suppress(asyncio.CancelledError, TimeoutError):
            await asyncio.wait_for(let_go.wait(), end - time.monotonic())


async def test_a_producer_that_swallows_its_cancellation(pool: asyncpg.Pool, employ: Employ) -> None:
    """Bad input: it is left behind at its time limit, its late step is refused, and the slot goes on to other work."""
    late: list[BaseException | str] = []
    let_go = asyncio.Event()

    async def deaf(key: Key, ctx: Any) -> Number:
        await insist(let_go)
        try:
            await ctx.step("late", lambda: asyncio.sleep(0, "done"))
            late.append("written")
        except Exception as error:  # noqa: BLE001 - the fault under test
            late.append(error)
        return Number(n=1)

    await employ(declare(make=deaf, timeout=seconds(1), max_attempts=1), declare("good"), slots=1)
    await queue(pool, "a")
    row = await failed(pool)
    assert row["code"] == "deadline"
    assert row["message"].startswith(f"it took longer than 1 s, at {HERE}")
    assert row["message"].endswith(" in insist, and did not stop when it was asked to")
    await works_still(pool)
    let_go.set()
    await eventually(lambda: late)
    assert [type(what).__name__ for what in late] == ["Fenced"]
    assert (await read(pool, "number", "a")).version == 0
    assert await pool.fetchval("select count(*) from openbell.step") == 0


async def test_a_call_that_outlives_its_attempt_is_unknown(pool: asyncpg.Pool, employ: Employ) -> None:
    """PF-10: a step that swallows its cancellation is left behind with its call; the call is not made again."""
    calls: list[int] = []
    let_go, over = asyncio.Event(), asyncio.Event()

    async def deaf_call(ctx: Any) -> str:
        async with ctx.spends("shop").call("buy", effect="never") as call:
            await call.sending()
            calls.append(ctx.claim.attempt)
            await insist(let_go)
        over.set()
        return "done"

    async def buyer(key: Key, ctx: Any) -> Number:
        await ctx.step("buy", lambda: deaf_call(ctx))
        return Number(n=1)

    limits = [per_minute(10)]
    await employ(declare(make=buyer, timeout=seconds(2), max_attempts=3), declare("good"), slots=1, limits=limits)
    await queue(pool, "a")
    assert (await failed(pool))["code"] == "outcome_unknown"
    await works_still(pool)
    assert calls == [1]
    assert await pool.fetchval("select state::text from openbell.spend") == "unknown"
    let_go.set()
    await asyncio.wait_for(over.wait(), 30)


async def test_a_leaked_task_is_ended(pool: asyncpg.Pool, employ: Employ, caplog: pytest.LogCaptureFixture) -> None:
    """Bad input: a task that outlives its producer is ended and told, the result stands; tasks of others go on."""
    fate: list[str] = []
    kept: list[asyncio.Task[None]] = []
    both = asyncio.Barrier(2)

    async def forever(name: str) -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            fate.append(name)
            raise

    async def leaks(key: Key, ctx: Any) -> Number:
        kept.append(asyncio.create_task(forever(key)))
        await both.wait()
        if key == "patient":
            await eventually(lambda: fate)
            fate.append("seen")
            kept[-1].cancel()
            await asyncio.gather(*kept, return_exceptions=True)
        return Number(n=1)

    worker = await employ(declare(make=leaks))
    await queue(pool, "hasty", "patient")
    assert (await made(pool, "hasty")).value["n"] == 1
    await made(pool, "patient")
    assert fate[:2] == ["hasty", "seen"]
    assert worker.runner.counters["leaked"] == 1
    (line,) = [record.getMessage() for record in caplog.records if record.getMessage().startswith("job.leaked")]
    assert f"key=hasty at={HERE}" in line
    assert line.endswith("in forever")


async def test_a_producer_that_demands_its_own_key(pool: asyncpg.Pool, employ: Employ) -> None:
    """Bad input: waiting for oneself ends at the time limit with the place; it makes no second job of the key."""
    lives: list[int] = []

    async def selfish(key: Key, ctx: Any) -> Number:
        await want(ctx.pool, [("number", key)], source="itself", seconds=60)
        while not (await read(ctx.pool, "number", key)).version:
            lives.append(await ctx.pool.fetchval("select count(*) from openbell.job"))
            await asyncio.sleep(0.05)
        return Number(n=1)

    await employ(declare(make=selfish, timeout=seconds(1), max_attempts=2), declare("good"))
    await queue(pool, "a")
    row = await failed(pool)
    assert (row["code"], row["attempts"], set(lives)) == ("deadline", 2, {1})
    assert f"at {HERE}" in row["message"]
    assert row["message"].endswith("in selfish")
    assert len(row["trail"]) == 2
    await works_still(pool)


async def test_a_task_that_fails_says_where(pool: asyncpg.Pool, employ: Employ) -> None:
    """Bad input: the same for tasks, which leave no artifact."""

    @task("chore", version=1, timeout=seconds(5), retry=seconds(30), max_attempts=1)
    async def chore(key: Key, ctx: Any) -> None:
        raise LookupError("nothing to do")

    await employ(chore)
    await enqueue(pool, chore, [("a", None)])
    await pool.execute("select pg_notify('openbell', '[\"work\", null]')")
    row = await failed(pool, name="chore")
    assert row["message"].startswith(f"the producer failed with LookupError: nothing to do, at {HERE}")


@pytest.mark.slow
async def test_a_blocked_event_loop(pool: asyncpg.Pool, dsn: str, tmp_path: Path) -> None:
    """PF-4, PF-5: a producer blocks its process for longer than the lease. Another takes over meanwhile, with the next
    attempt; the late write changes nothing, and the blocked process says where it was stuck.
    """
    first = await start(dsn, tmp_path / "first.log")
    try:
        await queue(pool, "a", name="blocker")
        await eventually(lambda: pool.fetchval("select count(*) from openbell.job where token is not null"))
        second = await start(dsn, tmp_path / "second.log")
        try:
            reading = await made(pool, name="blocker")
            assert reading.value["n"] == 2, "the first came back before anybody had taken over"
            before = await ended(pool, "a", "blocker")
            log = tmp_path / "first.log"
            await eventually(lambda: "job.fenced" in log.read_text())
            assert "worker.blocked" in log.read_text()
            assert f"at={HERE}" in log.read_text()
            assert await ended(pool, "a", "blocker") == before
            assert (await read(pool, "blocker", "a")).version == 1
            (row,) = await ended(pool, "a", "blocker")
            assert (row["word"], row["attempts"]) == ("done", 2)
            assert [one["code"] for one in row["trail"]] == ["process_gone"]
            await queue(pool, *"bcdefgh", name="blocker")
            for key in "bcdefgh":
                await made(pool, key, "blocker")
            assert first.returncode is None
        finally:
            await stop(second)
    finally:
        await stop(first)


async def start(dsn: str, log: Path) -> asyncio.subprocess.Process:
    """A worker process that listens."""
    with log.open("wb") as errors:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.engine.test_bad_producers", dsn,
            cwd=ROOT, stdout=asyncio.subprocess.PIPE, stderr=errors,
        )  # fmt: skip
    assert process.stdout is not None
    assert await asyncio.wait_for(process.stdout.readline(), 30) == b"ready\n", f"see {log}"
    return process


async def stop(process: asyncio.subprocess.Process) -> None:
    """It drains and leaves with 0."""
    process.send_signal(signal.SIGTERM)
    try:
        assert await asyncio.wait_for(process.wait(), 30) == 0
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


def blocker() -> Product:
    """Its first attempt at the key ``a`` blocks the whole process."""

    async def make(key: Key, ctx: Any) -> Number:
        if key == "a" and ctx.claim.attempt == 1:
            time.sleep(BLOCKED_S)  # noqa: ASYNC251 - the fault under test
        return Number(n=ctx.claim.attempt)

    return declare("blocker", make=make, timeout=minutes(1))


async def main(dsn: str) -> None:
    """Work until SIGTERM."""
    done = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, done.set)
    pool = await open_pool(dsn, name="bad worker")
    worker = Worker(pool, dsn, Registry([blocker()]), slots=4)
    working = asyncio.create_task(worker.run(done))
    await worker.hints.listening.wait()
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    await working
    pool.terminate()


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, stream=sys.stderr)
    asyncio.run(main(sys.argv[1]))
