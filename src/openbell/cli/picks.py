"""`openbell picks`: weekly picks for operators: who attests, what a week costs, what failed, the old tables."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from openbell.cli import reach
from openbell.cli.exits import BAD_INPUT, FAILED, NOTHING_KNOWN, CliError
from openbell.cli.options import data_option, json_option
from openbell.cli.output import print_json, print_table, when

if TYPE_CHECKING:
    import asyncpg

    from openbell.products.picks.reports import Costs

T = TypeVar("T")
ACTOR = "cli"
MICRO = 1_000_000
week_option = click.option("--week", help="A day of the week, such as 2026-11-23 [default: the week that runs].")


@click.group()
def picks() -> None:
    """Weekly picks: who attests to them, what they cost, what has failed."""


@picks.command("attest")
@click.option("--name", required=True, help="Who attests: a person's full name.")
@click.option("--withdraw", is_flag=True, help="Take it back: everybody gets the impersonal edition.")
@data_option
@json_option
def picks_attest(name: str, withdraw: bool, data: Path | None, as_json: bool) -> None:
    """Store that personal picks may be given here, with name and time."""
    from openbell.products.picks.store import ATTESTED, attest

    try:
        found = _ask(data, lambda db: attest(db, name, given=not withdraw, actor=ACTOR))
    except ValueError as error:
        raise CliError(f"{error}.", BAD_INPUT) from None
    if as_json:
        print_json({"name": found.name, "given": found.given, "at": found.at.isoformat(), "words": found.words})
    elif withdraw:
        click.echo(f"Withdrawn by {found.name} at {when(found.at.isoformat())}: everybody gets the impersonal edition.")
    else:
        click.echo(f"Stored at {when(found.at.isoformat())} under the name {found.name}: {ATTESTED}")


@picks.command("costs")
@week_option
@data_option
@json_option
def picks_costs(week: str | None, data: Path | None, as_json: bool) -> None:
    """What a week has cost by person, whether anything was paid twice, and whether it adds up with the ledger."""
    from openbell.products.picks.reports import costs

    async def read(db: asyncpg.Connection) -> Costs:
        return await costs(db, await _week(db, week))

    found = _ask(data, read)
    if as_json:
        print_json(found.as_json())
        return
    print_table(
        ("edition", "status", "paid", "twice", "dollars", "tokens in", "tokens out", "model"),
        [
            (
                line.edition,
                line.status,
                str(line.paid),
                str(line.duplicates),
                f"{line.cost_micro / MICRO:.6f}",
                f"{line.input_tokens:,}",
                f"{line.output_tokens:,}",
                line.models or "",
            )
            for line in found.lines
        ],
        empty=f"No editions in the week of {found.week}.",
    )
    left = f", {found.unknown} of unknown outcome, {found.open} open" if found.unknown or found.open else ""
    click.echo(
        f"Answers {found.cost_micro / MICRO:.6f} dollars, ledger {found.ledger_micro / MICRO:.6f}{left}; "
        f"duplicates {found.duplicates}."
    )


@picks.command("list")
@week_option
@click.option("--status", help="Only those, such as error.")
@data_option
@json_option
def picks_list(week: str | None, status: str | None, data: Path | None, as_json: bool) -> None:
    """How far each edition of a week is, and why it failed."""
    from openbell.products.picks.store import list_slots
    from openbell.products.picks.words import Status

    if status is not None and status not in set(Status):
        raise click.UsageError(f"--status is one of {', '.join(Status)}.")

    async def read(db: asyncpg.Connection) -> list[Any]:
        return await list_slots(db, await _week(db, week), status)

    rows = _ask(data, read)
    if as_json:
        print_json([one.as_json() for one in rows])
        return
    print_table(
        ("edition", "status", "reason", "since", "job", "failures", "what happened"),
        [
            (
                one.edition, one.status.value, one.reason.value, when(one.status_at.isoformat()), str(one.job_id or ""),
                str(one.failures), " ".join(part for part in (one.code, one.message) if part),
            )
            for one in rows
        ],
        empty="No editions.",
    )  # fmt: skip


@picks.command("retry")
@click.argument("edition")
@click.option("--pay-again", is_flag=True, help="Give up what was answered and paid for, and let it be asked for anew.")
@data_option
@json_option
def picks_retry(edition: str, pay_again: bool, data: Path | None, as_json: bool) -> None:
    """Try an edition again that has failed, such as 42|2026-11-23: from its stored answer, which costs nothing."""
    from openbell.postgres.pool import open_pool
    from openbell.products.picks.editions import EditionKey
    from openbell.products.picks.queueing import retry
    from openbell.products.picks.tasks import picks_batch, picks_edition
    from openbell.settings import load

    try:
        key = EditionKey.parse(edition)
    except ValueError as error:
        raise CliError(f"{edition!r} is no edition: {error}.", BAD_INPUT) from None

    async def again() -> Any:
        pool = await open_pool(reach.find(load(keys=False), data).dsn, name="cli", max_size=2)
        try:
            return await retry(pool, picks_edition, picks_batch, key, pay_again=pay_again, actor=ACTOR)
        finally:
            pool.terminate()

    queued = reach.run_async(again())
    if queued is None:
        raise CliError(f"Nobody has asked for {key} yet, so that there is nothing to try again.", NOTHING_KNOWN)
    if as_json:
        print_json({"status": queued.answered.value, "job_id": queued.job_id, "reason": queued.reason.value})
    else:
        job = f" as job {queued.job_id}" if queued.job_id else ""
        click.echo(f"{key}: {queued.answered.value.replace('_', ' ')}{job}")


@picks.command("starter")
@click.option("--companies", type=click.IntRange(12, 24), default=16, show_default=True, help="How many of them.")
@click.option("--yes", is_flag=True, help="Ask for them; without it only what it would take is told.")
@data_option
@json_option
def picks_starter(companies: int, yes: bool, data: Path | None, as_json: bool) -> None:
    """Ask for figures of some well-known companies, so that a fresh instance has an edition of figures.

    Each takes three calls of today's budget. Once they have come, the edition appears by itself.
    """
    from openbell.products.picks import starter
    from openbell.products.picks.tasks import picks_starter as task

    async def work(db: asyncpg.Connection) -> tuple[starter.Offer, int | None]:
        async with db.transaction():
            found = await starter.offer(db, companies)
            return found, await starter.ask(db, task, companies, actor=ACTOR) if yes else found.job_id

    found, job = _ask(data, work)
    if as_json:
        print_json(found.as_json() | {"job_id": job, "asked": yes and not found.is_there})
    elif found.is_there:
        click.echo(f"There is an edition of figures of the week of {found.week} already.")
    elif job is not None:
        click.echo(f"Asked for as job {job}: {found.calls} calls at most. The edition appears once they have come.")
    else:
        click.echo(
            f"Figures of {found.companies} companies take {found.calls} calls of today's budget. "
            "Nothing was asked for; --yes asks."
        )


@picks.command("import")
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--people", type=click.Path(path_type=Path, exists=True, dir_okay=False), help="CSV: user_id,address.")
@data_option
@json_option
def picks_import(file: Path, people: Path | None, data: Path | None, as_json: bool) -> None:
    """Take over rows of user_weekly_stock_picks or weekly_picks_jobs, from JSON or CSV; damaged rows are reported."""
    import csv

    from openbell.postgres.pool import open_pool
    from openbell.products.picks.importing import import_rows, rows_of
    from openbell.settings import load

    try:
        rows = rows_of(file.read_text("utf-8"), is_csv=file.suffix.lower() == ".csv")
        known = list(csv.DictReader(people.read_text("utf-8").splitlines())) if people else []
        addresses = {row["user_id"]: row["address"] for row in known}
    except (ValueError, KeyError, UnicodeDecodeError) as error:
        raise CliError(f"{file} cannot be read: {error}.", BAD_INPUT) from None

    async def take() -> Any:
        pool = await open_pool(reach.find(load(keys=False), data).dsn, name="cli", max_size=2)
        try:
            return await import_rows(pool, rows, addresses)
        finally:
            pool.terminate()

    report = reach.run_async(take())
    if as_json:
        print_json(report.as_json())
    else:
        print_table(
            ("row", "user", "week", "left out because"),
            [(str(one.row), one.user, one.week, one.why) for one in report.damaged],
            empty="No row was left out.",
        )
        click.echo(
            f"{report.editions} editions taken over, {report.read_again} of them read again from the raw answer; "
            f"{report.there_already} were here already; {report.jobs} unfinished jobs; {len(report.damaged)} left out."
        )
    if report.damaged:
        raise SystemExit(FAILED)


def _ask(data: Path | None, work: Callable[[Any], Awaitable[T]]) -> T:
    async def run() -> T:
        async with reach.connected(data) as connection:
            return await work(connection)

    return reach.run_async(run())


async def _week(db: Any, text: str | None) -> date:
    from openbell.products.picks.editions import monday_of
    from openbell.products.picks.store import current_week

    if text is None:
        return await current_week(db)
    try:
        return monday_of(date.fromisoformat(text))
    except ValueError:
        raise CliError(f"{text!r} is no day such as 2026-11-23.", BAD_INPUT) from None
