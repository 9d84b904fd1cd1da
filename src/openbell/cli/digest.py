"""`openbell digest` makes one digest and shows it; `openbell digests` lists them, their feeds, pages and policy."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from openbell.cli import reach
from openbell.cli.amounts import actor_option
from openbell.cli.exits import BAD_INPUT, FAILED, NOTHING_KNOWN, TIMED_OUT, CliError
from openbell.cli.options import data_option, json_option
from openbell.cli.output import dollars, print_json, print_pairs, print_table, progress, when

if TYPE_CHECKING:
    import asyncpg

    from openbell.engine.artifacts import Reading
    from openbell.products.digest.editions import DigestKey

T = TypeVar("T")
POLL_S = 0.2
SHOWN_REASON = 60


@click.command()
@click.argument("ticker")
@click.option(
    "--edition", type=click.Choice(["daily", "weekly"]), help="Without it that of the day: weekly on Mondays."
)
@click.option("--date", "day", type=click.DateTime(["%Y-%m-%d"]), help="Without it today, in the zone of the policy.")
@click.option("--again", "how", flag_value="again", help="Make it again of the same inputs.")
@click.option("--top-up", "how", flag_value="topup", help="Make it again with the articles that came since.")
@click.option("--renew", "how", flag_value="renew", help="Make it again and choose its articles anew.")
@click.option(
    "--wait", type=click.FloatRange(0, 7_200), default=600.0, show_default=True, help="Seconds to wait for it."
)
@actor_option
@data_option
@json_option
def digest(
    ticker: str, edition: Any, day: datetime | None, how: str | None, wait: float, actor: str, data: Path | None,
    as_json: bool,
) -> int:  # fmt: skip
    """Make the digest of a ticker, unless it is there already, and show it as text.

    Without a key or a budget of a language model it is made of sentences of the sources, for nothing.

    Exit code: 0 when it is shown, 1 when it could not be made, 3 when there was no news, 4 when the wait ended first.
    """
    return reach.run_async(_digest(ticker, edition, day, how, wait, actor, data, as_json))


async def _digest(
    ticker: str, edition: Any, day: datetime | None, how: str | None, wait_s: float, actor: str, data: Path | None,
    as_json: bool,
) -> int:  # fmt: skip
    from openbell.engine.hints import Hints
    from openbell.postgres.pool import open_pool
    from openbell.products.digest.requests import UnknownTicker, ask_for, key_for, make_again
    from openbell.settings import load

    pool = await open_pool(reach.find(load(keys=False), data).dsn, name="cli", max_size=2)
    try:
        try:
            key = await key_for(pool, ticker, edition, day.date() if day else None)
        except UnknownTicker as error:
            raise CliError(f"{error} Fifty well-known ones come with --starter.", BAD_INPUT) from None
        except ValueError as error:
            raise CliError(f"{ticker[:20]!r} is no ticker: {error}.", BAD_INPUT) from None
        if how is not None:
            async with pool.acquire() as conn:
                reason: Any = None if how == "again" else how
                await make_again(conn, key, reason, actor=actor)  # type: ignore[arg-type]
        await ask_for(pool, key, source="request:cli", job_class="interactive")
        hints = Hints(pool, None)
        hints.tell("work", "digest", key)
        reading = await _wait(pool, key, wait_s)
        await hints.stop()
    finally:
        pool.terminate()
    return _show(reading, data, as_json=as_json)


async def _wait(db: asyncpg.Pool, key: DigestKey, wait_s: float) -> Reading:
    """Read until it is there or the time is over, and say how far it is."""
    import asyncio
    import time

    from openbell.engine.artifacts import read

    start = time.monotonic()
    with progress(f"Making {key}") as say:
        while True:
            reading = await read(db, "digest", key)
            if reading.settled or not reading.enabled or time.monotonic() - start >= wait_s:
                return reading
            job = reading.job
            if job is not None:
                say(f"Making {key}: {job.progress or job.reason or job.state}")
            await asyncio.sleep(POLL_S)


def _show(reading: Reading, data: Path | None, *, as_json: bool) -> int:
    from openbell.cli.people import home
    from openbell.products.digest.digest import Digest
    from openbell.products.digest.render import render_text

    if as_json:
        print_json(reading.as_json())
    elif reading.value is not None:
        click.echo(render_text(Digest.model_validate(reading.value).content, home(data)).strip())
        click.echo(f"\n{reading.key}, version {reading.version}, cost {dollars(reading.cost_micro)}")
    if reading.state == "empty":
        if not as_json:
            click.echo(f"There was no news: {reading.key}")
        return NOTHING_KNOWN
    if reading.state == "fresh":
        return 0
    click.echo(reading.reason, err=True)
    return FAILED if reading.settled else TIMED_OUT


@click.group()
def digests() -> None:
    """Digests that were made, the feeds and pages they are made of, and how they are made here."""


@digests.command("list")
@data_option
@json_option
def digests_list(data: Path | None, as_json: bool) -> None:
    """List the digests that were made last."""
    from openbell.products.digest.requests import list_digests

    rows = _ask(data, list_digests)
    if as_json:
        print_json(rows)
        return
    print_table(
        ("key", "version>", "inputs>", "points>", "articles used>", "cost>", "made"),
        [
            (
                r["key"], r["version"], r["revision"] or "", r["bullets"] or "", (r["outcomes"] or {}).get("used", ""),
                dollars(r["cost_micro"] or 0), when(r["changed_at"].isoformat()) if r["changed_at"] else "",
            )
            for r in rows
        ],
        empty="No digest was made yet: openbell digest AAPL",
    )  # fmt: skip


@digests.command("feeds")
@data_option
@json_option
def digests_feeds(data: Path | None, as_json: bool) -> None:
    """List the feeds, those that fail first, with how often they were read and who wants them."""
    from openbell.products.digest.requests import list_feeds

    rows = _ask(data, list_feeds)
    if as_json:
        print_json(rows)
        return
    print_table(
        ("feed", "entries>", "looks>", "failed>", "trouble", "for"),
        [
            (
                f"{r['kind']} {r['subject']}", r["entries"], r["polls"], r["failures"],
                (r["message"] or "")[:SHOWN_REASON], ", ".join(r["tickers"][:5]),
            )
            for r in rows
        ],
        empty="No feed is known: openbell reference import --starter",
    )  # fmt: skip


@digests.command("pages")
@data_option
@json_option
def digests_pages(data: Path | None, as_json: bool) -> None:
    """List the domains of articles with how many of their pages could be read, for nothing and for money."""
    from openbell.products.digest.requests import list_pages

    rows = _ask(data, list_pages)
    if as_json:
        print_json(rows)
        return
    print_table(
        ("domain", "free>", "free failed>", "paid>", "paid failed>", "last trouble"),
        [(r["domain"], r["free_ok"], r["free_bad"], r["paid_ok"], r["paid_bad"], r["last_code"] or "") for r in rows],
        empty="No page was read yet.",
    )


@digests.command("policy")
@click.option("--zone", help="The zone in which dates are those of the calendar.")
@click.option("--pages-per-job", type=int, help="Pages that one digest may pay for.")
@click.option("--pages-per-day", type=int, help="Pages that all digests of a day may pay for.")
@click.option("--quiet", type=click.Choice(["short", "none"]), help="What a day without news makes.")
@click.option("--topup/--no-topup", default=None, help="Whether articles of the morning are added before sending.")
@click.option(
    "--approval", type=click.Choice(["auto", "manual"]), help="Whether mails to subscribers wait for an admin."
)
@actor_option
@data_option
@json_option
def digests_policy(actor: str, data: Path | None, as_json: bool, **given: Any) -> None:
    """Show how digests are made here, or change it. What one may cost is DIGEST_USD_MAX."""
    from openbell.products.digest.policy import Policy, read_policy, set_policy

    changes = {name: value for name, value in given.items() if value is not None}

    async def work(connection: asyncpg.Connection) -> Policy:
        return await set_policy(connection, changes, actor=actor) if changes else await read_policy(connection)

    try:
        policy = _ask(data, work)
    except ValueError as error:
        raise CliError(f"{error}.", BAD_INPUT) from None
    if as_json:
        print_json(policy.as_json())
        return
    print_pairs([(name.replace("_", " "), value) for name, value in policy.as_json().items()])


def _ask(data: Path | None, work: Callable[[asyncpg.Connection], Awaitable[T]]) -> T:
    async def ask() -> T:
        async with reach.connected(data) as connection:
            return await work(connection)

    return reach.run_async(ask())
