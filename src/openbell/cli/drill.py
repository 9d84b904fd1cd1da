"""`openbell drill`: scenarios played against a house of their own, on synthetic data."""

from __future__ import annotations

from pathlib import Path

import click

from openbell.cli import reach
from openbell.cli.exits import FAILED
from openbell.cli.output import progress


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
@click.option("--report", type=click.Path(path_type=Path, dir_okay=False), help="Write the report to this file.")
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
    import json

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
    told = week_report.tell(size, demand, lists)
    if report is not None:
        report.write_text(told, encoding="utf-8")
    click.echo(told, err=True)
    figures = week_report.figures(size, demand, lists)
    click.echo(json.dumps(figures))
    return FAILED if figures["broken"] else 0


@drill.command()
@click.option("--users", type=click.IntRange(1, 2_000), default=200, show_default=True, help="People with an edition.")
@click.option("--workers", type=click.IntRange(1, 16), default=4, show_default=True, help="Each has a scheduler, too.")
@click.option("--random-kills", type=click.IntRange(0, 200), default=20, show_default=True, help="Besides one a step.")
@click.option("--seed", type=int, default=1, show_default=True, help="Other moments to kill.")
@click.option("--report", type=click.Path(path_type=Path, dir_okay=False), help="Write the report to this file.")
def picks(users: int, workers: int, random_kills: int, seed: int, report: Path | None) -> int:
    """A weekly run of picks while workers are killed: one charge a person, an edition for everybody.

    A worker is killed at each step of the way and at random. Takes some minutes. Ends with one line of figures, and
    with exit code 1 when a promise is broken.
    """
    import json

    from openbell.drills.picks import Size, ground, play
    from openbell.drills.picks_report import tell

    size = Size(users=users, workers=workers, random_kills=random_kills, seed=seed)

    async def run() -> tuple[dict[str, object], str]:
        async with ground() as (dsn, sandbox):
            played = await play(dsn, sandbox, size, say)
            return played.as_json(), tell(size, played)

    with progress("Starting a database and a sandbox") as say:
        figures, told = reach.run_async(run())
    if report is not None:
        report.write_text(told, encoding="utf-8")
    click.echo(told, err=True)
    click.echo(json.dumps(figures))
    return FAILED if figures["faults"] else 0


@drill.command()
@click.option("--tickers", type=click.IntRange(1, 400), default=60, show_default=True, help="Somebody follows each.")
@click.option("--people", type=click.IntRange(1, 5_000), default=200, show_default=True, help="Each follows 1 to 3.")
@click.option("--workers", type=click.IntRange(1, 16), default=3, show_default=True, help="Each has a scheduler, too.")
@click.option("--send", default="08:30", show_default=True, help="When mails are due in New York; from 02:30 on.")
@click.option("--outage", type=click.Choice(["model", "news"]), default="model", show_default=True, help="Who is away.")
@click.option("--seed", type=int, default=1, show_default=True, help="Others follow other tickers.")
@click.option("--report", type=click.Path(path_type=Path, dir_okay=False), help="Write the report to this file.")
def morning(tickers: int, people: int, workers: int, send: str, outage: str, seed: int, report: Path | None) -> int:
    """A morning of digests: workers are killed and replaced, a provider is away, people ask and one leaves.

    Every mail that is due must arrive once, and nothing may be paid for twice. Ends with one line of figures, and with
    exit code 1 when a promise is broken.
    """
    import json
    import re

    from openbell.drills.morning import Size, play
    from openbell.drills.morning_report import tell
    from openbell.drills.picks import ground

    if not re.fullmatch(r"0[2-9]:[0-5]\d|1\d:[0-5]\d", send) or send < "02:30":
        raise click.BadParameter("a time from 02:30 to 19:59, such as 08:30", param_hint="--send")
    size = Size(
        tickers=tickers, people=people, requests=min(5, people), workers=workers, send=send, seed=seed, outage=outage
    )

    async def run() -> tuple[dict[str, object], str]:
        async with ground() as (dsn, sandbox):
            played = await play(dsn, sandbox, size, say)
            return played.as_json(), tell(size, played)

    with progress("Starting a database and a sandbox") as say:
        figures, told = reach.run_async(run())
    if report is not None:
        report.write_text(told, encoding="utf-8")
    click.echo(told, err=True)
    click.echo(json.dumps(figures))
    return FAILED if figures["faults"] else 0


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
    import json
    import tempfile

    from openbell.drills.picks import ground
    from openbell.drills.restore import Size, play
    from openbell.drills.till import opened

    size = Size(keys=keys, mails=mails, seconds=seconds, seed=seed)

    async def run() -> dict[str, object]:
        with tempfile.TemporaryDirectory(prefix="openbell-drill-") as folder:
            async with ground() as (dsn, sandbox), opened() as till:
                return (await play(dsn, sandbox, till, Path(folder), size, say)).as_json()

    with progress("Starting a database and a sandbox") as say:
        figures = reach.run_async(run())
    for promise in figures["proved"]:  # type: ignore[attr-defined]
        click.echo(f"proved   {promise}", err=True)
    for promise in figures["faults"]:  # type: ignore[attr-defined]
        click.echo(f"BROKEN   {promise}", err=True)
    click.echo(json.dumps(figures))
    return FAILED if figures["faults"] else 0


@drill.command()
@click.option("--streams", type=click.IntRange(1, 20_000), default=5_000, show_default=True, help="Open pages.")
@click.option("--keys", type=click.IntRange(8, 200), default=24, show_default=True, help="Quotes that they watch.")
@click.option("--webs", type=click.IntRange(1, 4), default=2, show_default=True, help="Web processes.")
@click.option("--workers", type=click.IntRange(2, 8), default=2, show_default=True, help="Workers of eight slots.")
@click.option("--seed", type=int, default=1, show_default=True, help="Other readers.")
@click.option("--report", type=click.Path(path_type=Path, dir_okay=False), help="Write the report to this file.")
def deploy(streams: int, keys: int, webs: int, workers: int, seed: int, report: Path | None) -> int:
    """A rolling deploy under load: the version before is migrated under and replaced, process by process.

    No request may fail, no job be lost or done twice, no value be late. Takes two minutes. Ends with one line of
    figures, and with exit code 1 when a promise is broken.
    """
    import json

    from openbell.bench.webs import allow_files
    from openbell.drills.deploy import Size, play
    from openbell.drills.deploy_report import tell
    from openbell.drills.picks import ground

    size = Size(streams=streams, keys=keys, webs=webs, workers=workers, seed=seed)
    allow_files(2 * streams)

    async def run() -> tuple[dict[str, object], str]:
        async with ground(migrated=False) as (dsn, sandbox):
            played = await play(dsn, sandbox, size, say)
            return played.as_json(), tell(size, played)

    with progress("Starting a database and a sandbox") as say:
        figures, told = reach.run_async(run())
    if report is not None:
        report.write_text(told, encoding="utf-8")
    click.echo(told, err=True)
    click.echo(json.dumps(figures))
    return FAILED if figures["faults"] else 0


def _symbols(most: int) -> list[str]:
    """The symbols of the sandbox, real ones first."""
    from openbell.sandbox.companies import COMPANIES

    return list(COMPANIES)[:most]


@drill.command("staging")
@click.option("--people", type=click.IntRange(5, 2_000), default=50, show_default=True, help="In the production.")
def staging(people: int) -> int:
    """A staging made of a production, and everything tried there that could do harm.

    Nothing of a person may be in the copy, mail may reach the admin alone, no schedule may fire, and production must
    refuse to be wiped. Ends with one line of figures, and with exit code 1 when a promise is broken.
    """
    import json

    from openbell.drills.picks import ground
    from openbell.drills.staging import play

    async def run() -> dict[str, object]:
        async with ground() as (dsn, sandbox):
            return (await play(dsn, sandbox, people, say)).as_json()

    with progress("Starting a database and a sandbox") as say:
        figures = reach.run_async(run())
    click.echo(json.dumps(figures))
    return FAILED if figures["faults"] else 0
