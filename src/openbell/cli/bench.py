"""`openbell bench`: measure this machine, and say which targets are missed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from openbell.cli import reach
from openbell.cli.exits import BAD_INPUT, FAILED, CliError
from openbell.cli.options import json_option
from openbell.cli.output import print_table, progress

if TYPE_CHECKING:
    from openbell.bench.figures import Figures


@click.group()
def bench() -> None:
    """Measure Openbell on this machine. Each run brings a database of its own and leaves nothing behind."""


@bench.command()
@click.option("--jobs", type=click.IntRange(100, 10_000_000), default=50_000, show_default=True, help="Jobs a drain.")
@click.option("--rounds", type=click.IntRange(1, 100), default=3, show_default=True, help="Medians of so many rounds.")
@click.option("--ticks", type=click.IntRange(1, 100_000), default=200, show_default=True, help="Pickups a round.")
@click.option("--idle-s", type=click.FloatRange(0.1, 3600), default=20.0, show_default=True, help="How long to idle.")
@click.option(
    "--scale", type=click.FloatRange(0.001, 10), default=1.0, show_default=True, help="Of the long queue (1,000,000)."
)
@click.option("--only", multiple=True, metavar="FIGURE", help="Measure only what gives this figure; may be repeated.")
@json_option
def queue(jobs: int, rounds: int, ticks: int, idle_s: float, scale: float, only: tuple[str, ...], as_json: bool) -> int:
    """Measure the job engine beside plain SQL in the same database. Takes about ten minutes.

    The exit code is 1 when a target is missed.
    """
    from openbell.bench import queue as measuring

    for name in only:
        if name not in measuring.MEASURES:
            raise CliError(f"There is no figure {name!r}: there are {', '.join(measuring.MEASURES)}.", BAD_INPUT)
    size = measuring.Size(jobs, rounds, ticks, idle_s, scale)
    with progress("Starting a database") as say:
        figures = _run(measuring.run(size, only, say))
    return _report(figures, as_json)


@bench.command()
@click.option("--seconds", type=click.FloatRange(0.1, 600), default=5.0, show_default=True, help="Of each measurement.")
@click.option("--rounds", type=click.IntRange(1, 100), default=3, show_default=True, help="Medians of so many rounds.")
@click.option("--only", multiple=True, metavar="FIGURE", help="Measure only what gives this figure; may be repeated.")
@json_option
def ledger(seconds: float, rounds: int, only: tuple[str, ...], as_json: bool) -> int:
    """Measure holds on accounts, beside one hold a transaction in plain SQL. Takes about two minutes.

    The exit code is 1 when a target is missed.
    """
    from openbell.bench import ledger as measuring

    for name in only:
        if name not in measuring.MEASURES:
            raise CliError(f"There is no figure {name!r}: there are {', '.join(measuring.MEASURES)}.", BAD_INPUT)
    with progress("Starting a database") as say:
        figures = _run(measuring.run(measuring.Size(seconds, rounds), only, say))
    return _report(figures, as_json)


@bench.command()
@click.option("--artifacts", type=click.IntRange(100, 100_000_000), default=1_000_000, show_default=True)
@click.option("--leases", type=click.IntRange(1, 10_000_000), default=20_000, show_default=True)
@click.option("--keys", type=click.IntRange(1, 1_000_000), default=5_000, show_default=True, help="Wanted by leases.")
@click.option("--due", type=click.IntRange(1, 1_000_000), default=500, show_default=True, help="Of the wanted keys.")
@click.option("--rounds", type=click.IntRange(1, 1_000), default=11, show_default=True, help="Medians of so many.")
@json_option
def sweep(artifacts: int, leases: int, keys: int, due: int, rounds: int, as_json: bool) -> int:
    """Measure one look at all demand: which of the wanted keys are stale, and a job for each.

    The exit code is 1 when a target is missed.
    """
    from openbell.bench import sweep as measuring

    if not due <= keys <= min(leases, artifacts):
        raise CliError("--due may not be above --keys, nor --keys above --leases or --artifacts.", BAD_INPUT)
    with progress("Starting a database") as say:
        figures = _run(measuring.run(measuring.Size(artifacts, leases, keys, due, rounds), say))
    return _report(figures, as_json)


@bench.command()
@click.option("--readers", type=click.IntRange(1, 1_000), default=32, show_default=True, help="Open connections.")
@click.option("--seconds", type=click.FloatRange(0.1, 600), default=5.0, show_default=True, help="Of each measurement.")
@click.option("--rounds", type=click.IntRange(1, 100), default=3, show_default=True, help="Medians of so many rounds.")
@json_option
def read(readers: int, seconds: float, rounds: int, as_json: bool) -> int:
    """Measure reads of an artifact over HTTP, beside the bare framework that answers with the same bytes.

    The exit code is 1 when a target is missed.
    """
    from openbell.bench import read as measuring

    with progress("Starting openbell up") as say:
        figures = _run(measuring.run(readers, seconds, rounds, say))
    return _report(figures, as_json)


@bench.command()
@click.option("--streams", type=click.IntRange(1, 20_000), default=10_000, show_default=True, help="Open browsers.")
@click.option(
    "--deliveries", type=click.FloatRange(1, 100_000), default=5_000.0, show_default=True, help="A second, over all."
)
@click.option("--seconds", type=click.FloatRange(1, 3600), default=30.0, show_default=True, help="How long to watch.")
@json_option
def stream(streams: int, deliveries: float, seconds: float, as_json: bool) -> int:
    """Measure one web process with many streams: memory, and the time from a commit to the browsers that watch it.

    The exit code is 1 when a target is missed.
    """
    from openbell.bench import stream as measuring

    with progress("Starting a database") as say:
        figures = _run(measuring.run(measuring.Size(streams, deliveries, seconds), say))
    return _report(figures, as_json)


@bench.command()
@click.option("--viewers", type=click.IntRange(3, 20_000), default=10_000, show_default=True, help="Who ask at once.")
@click.option("--rounds", type=click.IntRange(1, 10), default=3, show_default=True, help="Medians of so many rounds.")
@json_option
def crowd(viewers: int, rounds: int, as_json: bool) -> int:
    """Measure a crowd that asks for one cold key at once, over three web processes: calls, commit to the last answer.

    The exit code is 1 when a target is missed.
    """
    from openbell.bench import crowd as measuring

    with progress("Starting openbell up") as say:
        figures = _run(measuring.run(viewers, rounds, say))
    return _report(figures, as_json)


@bench.command()
@click.option("--seconds", type=click.FloatRange(1, 3600), default=30.0, show_default=True, help="How long to watch.")
@click.option("--settle", type=click.FloatRange(0, 3600), default=20.0, show_default=True, help="Seconds before that.")
@json_option
def idle(seconds: float, settle: float, as_json: bool) -> int:
    """Measure what an idle `openbell up` takes: memory, queries a second, processor time."""
    from openbell.bench import idle as measuring

    with progress("Starting openbell up") as say:
        figures = _run(measuring.run(seconds, settle, say))
    return _report(figures, as_json)


@bench.command()
@click.option(
    "--jobs", type=click.IntRange(1_000, 100_000_000), default=10_000_000, show_default=True, help="Ended ones."
)
@click.option(
    "--others", type=click.IntRange(1_000, 10_000_000), default=1_000_000, show_default=True, help="Calls, and mails."
)
@click.option("--asks", type=click.IntRange(1, 10_000), default=100, show_default=True, help="Of each page.")
@json_option
def console(jobs: int, others: int, asks: int, as_json: bool) -> int:
    """Measure the list pages of the console with a long history behind them. Takes minutes, and about 5 GB meanwhile.

    The exit code is 1 when a target is missed.
    """
    from openbell.bench import console as measuring

    with progress("Starting a database") as say:
        figures = _run(measuring.run(measuring.Size(jobs, others, asks), say))
    return _report(figures, as_json)


@bench.command()
@click.option("--pairs", type=click.IntRange(1, 500), default=300, show_default=True, help="Cold comparisons.")
@click.option("--viewers", type=click.IntRange(1, 10_000), default=1_000, show_default=True, help="Who ask at once.")
@click.option("--seed", type=int, default=1, show_default=True, help="Other pairs.")
@json_option
def pairs(pairs: int, viewers: int, seed: int, as_json: bool) -> int:
    """Measure cold comparisons that are demanded all at once: made once each, while readers go on reading.

    The exit code is 1 when a target is missed.
    """
    from openbell.bench import pairs as measuring

    with progress("Starting openbell up") as say:
        figures = _run(measuring.run(pairs, max(viewers, pairs), seed, say))
    return _report(figures, as_json)


@bench.command()
@click.option(
    "--data",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    required=True,
    help="A folder with sets: NAME.jsonl.gz, a series a line with id, freq, season, m, train and test.",
)
@click.option("--every", is_flag=True, help="Beside the models of the extra `ensemble` too; takes minutes.")
@click.option(
    "--step", type=click.IntRange(1, 1_000), default=1, show_default=True, help="Of each set every so manyth."
)
@json_option
def forecast(data: Path, every: bool, step: int, as_json: bool) -> int:
    """Score forecasts on series whose future is known: OWA, coverage, interval score and time, beside Naive2."""
    import json

    from openbell.bench import forecast as measuring
    from openbell.bench.errors import BenchError

    with progress("Reading the sets") as say:
        try:
            lines = measuring.run(data, step=step, every=every, say=say)
        except BenchError as error:
            raise CliError(str(error), BAD_INPUT) from None
    told = [line.as_json() for line in lines]
    if as_json:
        click.echo(json.dumps(told))
    else:
        headings = ["set", "method", *(f"{name}>" for name in list(told[0])[2:])]
        print_table(headings, [tuple(line.values()) for line in told], empty="Nothing was measured.")
    return 0 if not any(line.failures for line in lines) else FAILED


@bench.command()
@click.option(
    "--users", type=click.IntRange(1, 1_000_000), default=10_000, show_default=True, help="Queued for a week."
)
@click.option("--per-s", type=click.IntRange(1, 5_000), default=200, show_default=True, help="Reads a second.")
@click.option("--seconds", type=click.FloatRange(1, 600), default=20.0, show_default=True, help="Of reading.")
@json_option
def picks(users: int, per_s: int, seconds: float, as_json: bool) -> int:
    """Measure weekly picks: a week of many people queued, and their editions read at a steady rate.

    The exit code is 1 when a target is missed.
    """
    from openbell.bench import picks as measuring

    with progress("Starting a database") as say:
        figures = _run(measuring.run(measuring.Size(users, per_s, seconds), say))
    return _report(figures, as_json)


@bench.command()
@click.option("--tickers", type=click.IntRange(1, 60), default=12, show_default=True, help="One digest each.")
@click.option(
    "--factor", type=click.FloatRange(1, 60), default=6.0, show_default=True, help="Shortens all providers' delays."
)
@json_option
def digest(tickers: int, factor: float, as_json: bool) -> int:
    """Measure digests whose providers take as long as real ones, beside the longest chain that the limits allow.

    Takes some minutes. The exit code is 1 when the target is missed.
    """
    from openbell.bench import digest as measuring

    with progress("Starting a database and a sandbox") as say:
        figures = _run(measuring.run(measuring.Size(tickers, factor), say))
    return _report(figures, as_json)


def _run(work: object) -> Figures:
    from openbell.bench.errors import BenchError

    try:
        return reach.run_async(work)  # type: ignore[arg-type]
    except BenchError as error:
        raise CliError(f"The measurement is not valid. {error}", FAILED) from None


def _report(figures: Figures, as_json: bool) -> int:
    import json

    if as_json:
        click.echo(json.dumps(figures.as_json()))
    else:
        print_table(["figure", "median>", "spread", "target", ""], figures.rows(), empty="Nothing was measured.")
    if figures.missed:
        click.echo(f"Missed: {', '.join(figures.missed)}.", err=True)
    return FAILED if figures.missed else 0
