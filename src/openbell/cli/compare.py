"""`openbell compare`: two terms side by side, with what may come and how sure that is."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from openbell.cli import reach
from openbell.cli.exits import BAD_INPUT, NOTHING_KNOWN, CliError
from openbell.cli.options import data_option, json_option
from openbell.cli.output import print_table, progress

if TYPE_CHECKING:
    from openbell.products.forecast.keys import Pair

WAIT_S = 0.5


@click.group()
def compare() -> None:
    """Compare two terms: attention or prices, what may come, and how sure that is."""


def pair_of(slug: str, tf: str, geo: str) -> Pair:
    """The pair of the arguments. Raises CliError."""
    from openbell.products.forecast.keys import pair_of_slug

    try:
        return pair_of_slug(slug, tf, geo)
    except ValueError as error:
        raise CliError(f"{slug!r} is no comparison: {error}.", BAD_INPUT) from None


@compare.command()
@click.argument("slug")
@click.option("--tf", default="12m", show_default=True, type=click.Choice(["3m", "12m", "5y"]), help="Time frame.")
@click.option("--geo", default="", help="A region such as US; nothing is the world.")
@click.option("--wait", type=click.FloatRange(0, 600), default=0.0, help="Have it made, and wait so many seconds.")
@json_option
@data_option
def show(slug: str, tf: str, geo: str, wait: float, as_json: bool, data: Path | None) -> None:
    """Show what is known of a comparison such as amazon-vs-costco."""
    import json

    from openbell.products.forecast.premium import answer

    pair = pair_of(slug, tf, geo)
    with progress("Waiting") as say:
        reading, measured = reach.run_async(_read(data, pair, wait, say))
    body = answer(pair, reading, measured, debug=True)
    if as_json:
        click.echo(json.dumps(body, default=str))
        return
    if not body["forecastAvailable"]:
        raise CliError(f"There is nothing to show of {pair.slug}: {body['reason']} Try --wait 60.", NOTHING_KNOWN)
    pack = body["insightsPack"]
    click.echo(f"{pair.a} versus {pair.b}, {pair.tf}, {pair.geo or 'worldwide'}: {pack['dataFreshness']['state']}")
    for sentence in pack["interpretations"]:
        click.echo(f"  {sentence}")
    for source in pack["sources"]:
        click.echo(f"  {source['source']}: {'missing, ' + source['missing'] if source['missing'] else 'used'}")
    rows = [
        (a["day"], a["mean"], f"{a['lo80']} to {a['hi80']}", b["mean"], f"{b['lo80']} to {b['hi80']}", gap["mean"])
        for a, b, gap in zip(*(pack["forecasts"][part]["points"] for part in ("termA", "termB", "gap")), strict=True)
    ]
    print_table(["from", f"{pair.a}>", "80 %", f"{pair.b}>", "80 %", "gap>"], rows, empty="No step ahead.")


async def _read(data: Path | None, pair: Pair, wait_s: float, say: Any) -> tuple[Any, Any]:
    from openbell.engine.artifacts import read
    from openbell.engine.demand import want
    from openbell.products.forecast.evaluate import accuracy

    async with reach.connected(data) as db:
        end = asyncio.get_running_loop().time() + wait_s
        reading = await read(db, "comparison", pair.key)
        while wait_s and not reading.settled and asyncio.get_running_loop().time() < end:
            await want(db, [("comparison", pair.key)], source="cli", seconds=wait_s + 5)
            say(reading.reason)
            await asyncio.sleep(WAIT_S)
            reading = await read(db, "comparison", pair.key)
        return reading, await accuracy(db, pair.frame.step)


@compare.command()
@click.argument("name")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@data_option
def upload(name: str, file: Path, data: Path | None) -> None:
    """Keep a series of your own from a CSV FILE of days and figures; compare it as `csv NAME`."""
    from openbell.products.forecast.uploads import BadUpload, parse_csv, save_upload

    async def keep(text: str) -> int:
        points = parse_csv(text)
        async with reach.connected(data) as db:
            await save_upload(db, name, points)
        return len(points)

    try:
        count = reach.run_async(keep(file.read_text(encoding="utf-8-sig")))
    except (BadUpload, UnicodeDecodeError) as error:
        raise CliError(str(error), BAD_INPUT) from None
    click.echo(f"{count:,} days are kept as {name!r}: openbell compare show csv-{name.replace(' ', '-')}-vs-csv-OTHER")


@compare.command()
@json_option
@data_option
def accuracy(as_json: bool, data: Path | None) -> None:
    """How good published forecasts were, once their time was over."""
    import json

    from openbell.products.forecast.database import SQL
    from openbell.products.forecast.evaluate import accuracy as measured

    async def look() -> dict[str, Any]:
        async with reach.connected(data) as db:
            engines = [row["engine"] for row in await db.fetch(SQL.get("list_engines"))]
            return {
                f"{step} {engine}": await measured(db, step, engine=engine) for engine in engines for step in ("D", "W")
            }

    found = reach.run_async(look())
    if as_json:
        click.echo(json.dumps(found))
        return
    rows = [
        (
            one["engine"],
            "days" if name[0] == "D" else "weeks",
            one["runs"],
            one["points"],
            one["meanAbsoluteError"],
            one["held80"],
        )
        for name, one in found.items()
        if one
    ]
    headings = ["engine", "steps", "runs>", "points>", "mean error>", "80 % bands held>"]
    print_table(headings, rows, empty="No forecast has come to its end yet.")
