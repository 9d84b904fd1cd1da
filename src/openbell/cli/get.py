"""`openbell get`: ask for one value, wait until it is fresh, print it with everything one should know about it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from openbell.cli import reach
from openbell.cli.exits import FAILED, NOTHING_KNOWN, TIMED_OUT
from openbell.cli.options import data_option, json_option
from openbell.cli.output import age, dollars, flatten, print_json, print_pairs, progress

if TYPE_CHECKING:
    import asyncpg

    from openbell.engine.artifacts import Reading

POLL_S = 0.1
QUIET_S = 2.0
LEASE_MIN_S = 15.0
WAIT_MAX_S = 3_600.0
WHOLE = {"volume", "market_cap", "employees"}
"""Counts that JSON carries as numbers with a fraction."""


@click.command()
@click.argument("product")
@click.argument("key")
@click.option(
    "--wait",
    type=click.FloatRange(0, WAIT_MAX_S),
    default=15.0,
    show_default=True,
    metavar="S",
    help="Seconds to wait for a fresh value. 0 prints what is stored now, and still asks for a fresh one.",
)
@data_option
@json_option
def get(product: str, key: str, wait: float, data: Path | None, as_json: bool) -> int:
    """Ask for a value, wait until it is fresh, and print it with its state, age, source and cost.

    \b
    openbell get quote AAPL
    openbell get eod-prices MSFT --json

    Exit code: 0 for a fresh value (with --wait 0: for any value), 1 when it could not be made, 3 when nothing is known
    under this key, 4 when the wait ended first. An older value is printed in any case, with the reason.
    """  # noqa: D301 (click reads the mark itself, not its spelling)
    return reach.run_async(_get(product, key, wait, data, as_json))


async def _get(product: str, key_text: str, wait_s: float, data: Path | None, as_json: bool) -> int:
    from openbell.engine.demand import want
    from openbell.engine.hints import Hints
    from openbell.postgres.pool import open_pool
    from openbell.products import registry
    from openbell.settings import load

    declared = registry().artifact(product)
    key = declared.parse_key(key_text)
    pool = await open_pool(reach.find(load(keys=False), data).dsn, name="cli", max_size=2)
    try:
        queued = await want(pool, [(product, key)], source="request:cli", seconds=max(wait_s, LEASE_MIN_S))
        hints = Hints(pool, None)
        for job in queued:
            hints.tell("work", job.product, job.key)
        reading = await _wait(pool, product, key, wait_s)
        await hints.stop()
    finally:
        pool.terminate()
    if as_json:
        print_json(reading.as_json())
    else:
        _print(reading, list(declared.model.model_fields) if declared.model else [])
    return _exit_code(reading, waited=wait_s > 0)


async def _wait(db: asyncpg.Pool, product: str, key: str, wait_s: float) -> Reading:
    """Read until there is an answer or the time is over."""
    import asyncio
    import time
    from contextlib import ExitStack

    from openbell.engine.artifacts import read

    start = time.monotonic()
    say, said = None, None
    with ExitStack() as stack:
        while True:
            reading = await read(db, product, key)
            waited_s = time.monotonic() - start
            if waited_s >= wait_s or is_answer(reading):
                return reading
            situation = (reading.state, reading.job and reading.job.state, reading.blockage and reading.blockage.until)
            if waited_s > QUIET_S and situation != said:
                said = situation
                say = say or stack.enter_context(progress(f"Waiting for {product} {key}"))
                say(f"Waiting for {product} {key}: {reading.reason}")
            await asyncio.sleep(min(POLL_S, wait_s - waited_s))


def is_answer(reading: Reading) -> bool:
    """Whether waiting longer cannot change it."""
    return reading.settled or not reading.enabled


def _exit_code(reading: Reading, *, waited: bool) -> int:
    if reading.state in ("fresh", "fallback"):
        return 0
    if reading.state == "empty":
        return NOTHING_KNOWN
    if not waited:
        return 0 if reading.value is not None else NOTHING_KNOWN
    return FAILED if is_answer(reading) else TIMED_OUT


def _print(reading: Reading, order: list[str]) -> None:
    """The value in the order of its model's fields (jsonb keeps none), then what one should know about it."""
    if isinstance(reading.value, dict):
        fields = {name: reading.value[name] for name in order if name in reading.value} | reading.value
        whole = {name: int(fields[name]) for name in WHOLE & fields.keys() if isinstance(fields[name], float)}
        print_pairs(flatten(fields | whole))
        click.echo()
    print_pairs(_about(reading))


def _about(reading: Reading) -> list[tuple[str, object]]:
    """What one should know about the value, in the order in which people ask."""
    provenance = reading.provenance or {}
    source = ", ".join(str(provenance[name]) for name in ("provider", "operation", "host") if provenance.get(name))
    lines: list[tuple[str, object]] = [("key", f"{reading.product} {reading.key}"), ("state", reading.state)]
    if reading.checked_at:
        lines.append(("age", f"{age(reading.age_s)}, checked {reading.checked_at.astimezone():%Y-%m-%d %H:%M:%S %Z}"))
    if source:
        lines.append(("source", source))
    if provenance.get("synthetic"):
        lines.append(("label", f"synthetic: {provenance['synthetic']}"))
    if reading.version:
        lines += [("cost", dollars(reading.cost_micro)), ("version", reading.version)]
    if reading.state != "fresh":
        lines.append(("why", reading.reason))
    return lines
