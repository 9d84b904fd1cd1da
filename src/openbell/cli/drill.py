"""`openbell drill`: scenarios played against a house of their own, on synthetic data."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any

import click

from openbell.cli import reach
from openbell.cli.exits import FAILED
from openbell.cli.output import progress

Say = Callable[[str], None]
report_option = click.option(
    "--report", type=click.Path(path_type=Path, dir_okay=False), help="Write the report to this file."
)


@click.group()
def drill() -> None:
    """Play a scenario on synthetic data, and say what it proved. Leaves nothing behind."""


@drill.command()
@click.option("--viewers", type=click.IntRange(1, 10_000), default=200, show_default=True, help="People a day.")
@click.option("--symbols", type=click.IntRange(1, 505), default=500, show_default=True, help="Symbols they look at.")
@click.option("--days", type=click.IntRange(1, 7), default=5, show_default=True, help="From a Monday on.")
@click.option("--every-min", type=click.IntRange(1, 60), default=2, show_default=True, help="Minutes between looks.")
@click.option("--seed", type=int, default=1, show_default=True, help="Another crowd.")
@click.option("--prefetch", is_flag=True, help="With what is likely next made before, from spare budget.")
@click.option("--play-lists", is_flag=True, help="Play the fixed lists too, instead of computing what they take.")
@report_option
def week(
    viewers: int,
    symbols: int,
    days: int,
    every_min: int,
    seed: int,
    prefetch: bool,
    play_lists: bool,
    report: Path | None,
) -> int:
    """A trading week: people come and go over all data types, beside what fixed lists take in the same week.

    Takes about a quarter of an hour. Ends with one line of figures, and with exit code 1 when a promise is broken.
    """
    from openbell.drills import week_report
    from openbell.drills.week import Size, compute, play
    from openbell.products import registry

    size, names = Size(viewers, symbols, days, every_min, seed, prefetch), _symbols(symbols)
    with progress("Starting openbell up") as say:
        demand = reach.run_async(play(size, registry(), names, on_demand=True, say=say))
        if play_lists:
            lists = reach.run_async(play(size, registry(), names, on_demand=False, say=say))
        else:
            lists = compute(size, registry(), demand)
    figures = week_report.figures(size, demand, lists)
    return _end(week_report.tell(size, demand, lists), report, figures, broken=bool(figures["broken"]))


@drill.command()
@click.option("--users", type=click.IntRange(1, 2_000), default=200, show_default=True, help="People with an edition.")
@click.option("--workers", type=click.IntRange(1, 16), default=4, show_default=True, help="Each has a scheduler, too.")
@click.option("--random-kills", type=click.IntRange(0, 200), default=20, show_default=True, help="Besides one a step.")
@click.option("--seed", type=int, default=1, show_default=True, help="Other moments to kill.")
@report_option
def picks(users: int, workers: int, random_kills: int, seed: int, report: Path | None) -> int:
    """A weekly run of picks while workers are killed: one charge a person, an edition for everybody.

    A worker is killed at each step of the way and at random. Takes some minutes. Ends with one line of figures, and
    with exit code 1 when a promise is broken.
    """
    from openbell.drills.picks import Size, play
    from openbell.drills.picks_report import tell

    size = Size(users=users, workers=workers, random_kills=random_kills, seed=seed)
    return _play(lambda dsn, sandbox, say: play(dsn, sandbox, size, say), partial(tell, size), report)


@drill.command()
@click.option("--tickers", type=click.IntRange(1, 400), default=60, show_default=True, help="Somebody follows each.")
@click.option("--people", type=click.IntRange(1, 5_000), default=200, show_default=True, help="Each follows 1 to 3.")
@click.option("--workers", type=click.IntRange(1, 16), default=3, show_default=True, help="Each has a scheduler, too.")
@click.option("--send", default="08:30", show_default=True, help="When mails are due in New York; from 02:30 on.")
@click.option("--outage", type=click.Choice(["model", "news"]), default="model", show_default=True, help="Who is away.")
@click.option("--seed", type=int, default=1, show_default=True, help="Others follow other tickers.")
@report_option
def morning(tickers: int, people: int, workers: int, send: str, outage: str, seed: int, report: Path | None) -> int:
    """A morning of digests: workers are killed and replaced, a provider is away, people ask and one leaves.

    Every mail that is due must arrive once, and nothing may be paid for twice. Ends with one line of figures, and with
    exit code 1 when a promise is broken.
    """
    import re

    from openbell.drills.morning import Size, play
    from openbell.drills.morning_report import tell

    if not re.fullmatch(r"0[2-9]:[0-5]\d|1\d:[0-5]\d", send) or send < "02:30":
        raise click.BadParameter("a time from 02:30 to 19:59, such as 08:30", param_hint="--send")
    size = Size(
        tickers=tickers, people=people, requests=min(5, people), workers=workers, send=send, seed=seed, outage=outage
    )
    return _play(lambda dsn, sandbox, say: play(dsn, sandbox, size, say), partial(tell, size), report)


@drill.command("restore")
@click.option(
    "--keys", type=click.IntRange(1, 500), default=40, show_default=True, help="Purchases of each of two kinds."
)
@click.option("--mails", type=click.IntRange(1, 500), default=40, show_default=True, help="Mails that are queued.")
@click.option("--seconds", type=click.FloatRange(1, 120), default=4.0, show_default=True, help="Length of the load.")
@click.option("--seed", type=int, default=1, show_default=True, help="Another order.")
def restore_drill(keys: int, mails: int, seconds: float, seed: int) -> int:
    """A backup under load, a disaster, a restore into another database, and the operator after it.

    A shop and a mail server keep their own books: nothing may be charged or mailed twice. Says what it proved; ends
    with one line of figures, and with exit code 1 when a promise is broken.
    """
    import tempfile

    from openbell.drills.restore import Size, play
    from openbell.drills.till import opened

    size = Size(keys=keys, mails=mails, seconds=seconds, seed=seed)

    async def work(dsn: str, sandbox: str, say: Say) -> Any:
        with tempfile.TemporaryDirectory(prefix="openbell-drill-") as folder:
            async with opened() as till:
                return await play(dsn, sandbox, till, Path(folder), size, say)

    def tell(played: Any) -> str:
        return "\n".join([f"proved   {one}" for one in played.proved] + [f"BROKEN   {one}" for one in played.faults])

    return _play(work, tell)


@drill.command()
@click.option("--streams", type=click.IntRange(1, 20_000), default=5_000, show_default=True, help="Open pages.")
@click.option("--keys", type=click.IntRange(8, 200), default=24, show_default=True, help="Quotes that they watch.")
@click.option("--webs", type=click.IntRange(1, 4), default=2, show_default=True, help="Web processes.")
@click.option("--workers", type=click.IntRange(2, 8), default=2, show_default=True, help="Workers of eight slots.")
@click.option("--seed", type=int, default=1, show_default=True, help="Other readers.")
@report_option
def deploy(streams: int, keys: int, webs: int, workers: int, seed: int, report: Path | None) -> int:
    """A rolling deploy under load: the version before is migrated under and replaced, process by process.

    No request may fail, no job be lost or done twice, no value be late. Takes two minutes. Ends with one line of
    figures, and with exit code 1 when a promise is broken.
    """
    from openbell.bench.webs import allow_files
    from openbell.drills.deploy import Size, play
    from openbell.drills.deploy_report import tell

    size = Size(streams=streams, keys=keys, webs=webs, workers=workers, seed=seed)
    allow_files(2 * streams)
    return _play(lambda dsn, sandbox, say: play(dsn, sandbox, size, say), partial(tell, size), report, migrated=False)


@drill.command("staging")
@click.option("--people", type=click.IntRange(5, 2_000), default=50, show_default=True, help="In the production.")
def staging(people: int) -> int:
    """A staging made of a production, and everything tried there that could do harm.

    Nothing of a person may be in the copy, mail may reach the admin alone, no schedule may fire, and production must
    refuse to be wiped. Ends with one line of figures, and with exit code 1 when a promise is broken.
    """
    from openbell.drills.staging import play

    return _play(lambda dsn, sandbox, say: play(dsn, sandbox, people, say))


def _play(
    work: Callable[[str, str, Say], Awaitable[Any]],
    tell: Callable[[Any], str] | None = None,
    report: Path | None = None,
    *,
    migrated: bool = True,
) -> int:
    """Play on a database and a sandbox of its own, and tell what came of it; the exit code."""
    from openbell.drills.picks import ground

    async def run() -> Any:
        async with ground(migrated=migrated) as (dsn, sandbox):
            return await work(dsn, sandbox, say)

    with progress("Starting a database and a sandbox") as say:
        played = reach.run_async(run())
    figures = played.as_json()
    return _end(tell(played) if tell else "", report, figures, broken=bool(figures["faults"]))


def _end(told: str, report: Path | None, figures: object, *, broken: bool) -> int:
    """The words for the report and for people, one line of figures for programs; the exit code."""
    if report is not None:
        report.write_text(told, encoding="utf-8")
    if told:
        click.echo(told, err=True)
    click.echo(json.dumps(figures))
    return FAILED if broken else 0


def _symbols(most: int) -> list[str]:
    """The symbols of the sandbox, real ones first."""
    from openbell.sandbox.companies import COMPANIES

    return list(COMPANIES)[:most]
