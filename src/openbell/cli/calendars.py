"""`openbell calendars`: the trading sessions of exchanges, by which quotes rest while their market is closed.

The sessions are computed here and nowhere else: exchange_calendars brings pandas (100 MB of memory), which no process
that stays should carry.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from openbell.cli import reach
from openbell.cli.exits import BAD_INPUT, FAILED, NOTHING_KNOWN, CliError
from openbell.cli.options import data_option, json_option
from openbell.cli.output import print_json, print_table, when

if TYPE_CHECKING:
    import asyncpg

    from openbell.engine.sessions import CalendarRow, Session

ACTOR = "cli"
BACK = timedelta(days=31)
"""How far back sessions are written; what counts is the last one before now."""
MISSING = "Computing trading sessions needs exchange_calendars: pip install 'openbell[calendars]'."
SYNTHETIC = (
    "This database holds synthetic data, whose market is replayed at its own pace and counts as open at any time: "
    "the sessions of real exchanges would stop it."
)

day_argument = click.argument("day", type=click.DateTime(["%Y-%m-%d"]), metavar="YYYY-MM-DD")


@click.group()
def calendars() -> None:
    """When exchanges trade: quotes of a closed market rest."""


@calendars.command("list")
@data_option
@json_option
def calendars_list(data: Path | None, as_json: bool) -> None:
    """List the calendars: open or closed, how far they are known, and the days that an operator has changed."""
    rows = [row.as_json() for row in reach.run_async(_list(data))]
    if as_json:
        print_json(rows)
        return
    print_table(
        ("calendar", "now", "until", "known from", "to", "days", "changed by hand"),
        [
            (
                row["calendar"],
                "open" if row["open"] else "closed",
                when(until) if (until := row["closes_at"] if row["open"] else row["next_at"]) else "",
                row["first_day"],
                row["last_day"],
                row["days"],
                ", ".join(row["manual"]),
            )
            for row in rows
        ],
        empty="No trading sessions are kept, so every market counts as open. For real data: openbell calendars write",
    )


@calendars.command("write")
@click.argument("names", nargs=-1, metavar="[CALENDAR]...")
@click.option("--if-needed", is_flag=True, help="Only those that are missing or end within 60 days.")
@data_option
@json_option
def calendars_write(names: tuple[str, ...], if_needed: bool, data: Path | None, as_json: bool) -> int:
    """Compute the sessions of the next year and write them. Without names: of every exchange that FMP lists.

    A name is a calendar (XNYS) or an exchange (NASDAQ). Days that were closed by hand stay closed.
    """
    written, trouble = reach.run_async(_write(data, [_named(name) for name in names], if_needed))
    if as_json:
        print_json({"written": written, "trouble": trouble})
    elif written:
        click.echo(f"Written: {', '.join(f'{name} to {last}' for name, last in written.items())}.")
    elif not trouble:
        click.echo("Nothing to write: every calendar reaches further than 60 days.")
    for name, why in trouble.items():
        click.echo(f"{name} could not be written, so it counts as open: {why}", err=True)
    return FAILED if trouble else 0


@calendars.command("close")
@click.argument("name", metavar="CALENDAR")
@day_argument
@click.option("--at", "at_text", metavar="TIME", help="Close it from then on, such as 2026-11-24T18:00Z.")
@click.option("--reason", required=True, help="Why; it is kept in the audit log.")
@data_option
@json_option
def calendars_close(
    name: str, day: datetime, at_text: str | None, reason: str, data: Path | None, as_json: bool
) -> None:
    """Close a day of a calendar, the whole of it or from a time on. Lasts when the sessions are written anew."""
    left = reach.run_async(_close(data, _named(name), day.date(), _time(at_text), reason))
    _told(_named(name), day.date(), left, as_json)


@calendars.command("reopen")
@click.argument("name", metavar="CALENDAR")
@day_argument
@data_option
@json_option
def calendars_reopen(name: str, day: datetime, data: Path | None, as_json: bool) -> None:
    """Give a day that was closed by hand its computed hours back. What rests because of it is due at once."""
    _told(_named(name), day.date(), reach.run_async(_reopen(data, _named(name), day.date())), as_json)


def _named(name: str) -> str:
    """The calendar that is meant: by its own name, or by an exchange that keeps it."""
    from openbell.products.market.exchanges import calendar_of

    return calendar_of(name) or name.upper()


def _time(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise CliError(f"{text!r} is no time; write it like 2026-11-24T18:00Z.", BAD_INPUT) from None
    if time.tzinfo is None:
        raise CliError(f"{text!r} has no zone; write {text}Z for UTC.", BAD_INPUT)
    return time


def _told(name: str, day: date, hours: Sequence[Session], as_json: bool) -> None:
    spans = [{"opens_at": one.opens_at.isoformat(), "closes_at": one.closes_at.isoformat()} for one in hours]
    if as_json:
        print_json({"calendar": name, "day": day.isoformat(), "hours": spans})
    elif not spans:
        click.echo(f"{name} is closed on {day}.")
    else:
        told = " and ".join(f"{when(span['opens_at'])} to {when(span['closes_at'])}" for span in spans)
        click.echo(f"{name} is open on {day}: {told}.")


async def _list(data: Path | None) -> list[CalendarRow]:
    from openbell.engine.sessions import list_calendars

    async with reach.connected(data) as connection:
        return await list_calendars(connection)


async def _close(data: Path | None, name: str, day: date, at: datetime | None, reason: str) -> list[Session]:
    from openbell.engine.sessions import UnknownSession, close_day

    async with reach.connected(data) as connection:
        await _refuse_synthetic(connection)
        try:
            return await close_day(connection, name, day, at=at, actor=ACTOR, reason=reason)
        except UnknownSession as error:
            raise CliError(str(error), NOTHING_KNOWN) from None


async def _reopen(data: Path | None, name: str, day: date) -> list[Session]:
    from openbell.engine.sessions import UnknownSession, reopen_day

    async with reach.connected(data) as connection:
        await _refuse_synthetic(connection)
        try:
            return await reopen_day(connection, name, day, actor=ACTOR)
        except UnknownSession as error:
            raise CliError(str(error), NOTHING_KNOWN) from None


async def _write(data: Path | None, names: list[str], if_needed: bool) -> tuple[dict[str, str], dict[str, str]]:
    """The last day of each calendar that was written, and what was wrong with the others."""
    from openbell.engine.sessions import write_sessions

    written: dict[str, str] = {}
    trouble: dict[str, str] = {}
    async with reach.connected(data) as connection:
        await _refuse_synthetic(connection)
        for name in await _wanted(connection, names, if_needed):
            try:
                sessions = list(compute(name, datetime.now(UTC).date() - BACK))
                await write_sessions(connection, name, sessions)
            except CliError:
                raise
            except Exception as error:  # noqa: BLE001 (one calendar that cannot be computed or written stops no other)
                trouble[name] = f"{type(error).__name__}: {str(error) or 'no reason given'}"
                continue
            written[name] = sessions[-1].day.isoformat()
    return written, trouble


async def _refuse_synthetic(connection: asyncpg.Connection) -> None:
    from openbell.cli.mode import SANDBOX
    from openbell.postgres.queries import Queries

    if await connection.fetchval(Queries("openbell.cli").get("read_mode")) == SANDBOX:
        raise CliError(SYNTHETIC, BAD_INPUT)


async def _wanted(connection: asyncpg.Connection, names: Sequence[str], if_needed: bool) -> list[str]:
    from openbell.engine.sessions import ends_soon, list_calendars
    from openbell.products.market.exchanges import CALENDARS

    wanted = list(names or CALENDARS)
    if not if_needed:
        return wanted
    known = {row.calendar: row for row in await list_calendars(connection)}
    return [name for name in wanted if name not in known or ends_soon(known[name])]


def compute(name: str, first: date) -> Iterator[Session]:
    """The sessions of a calendar from a day on, for as long as exchange_calendars knows, a year from today at most.

    A day with a break is two sessions. Raises CliError when the library is not there or has no such calendar.
    """
    from openbell.engine.sessions import Session

    try:
        from exchange_calendars import get_calendar
        from exchange_calendars.errors import InvalidCalendarName
    except ImportError:
        raise CliError(MISSING) from None
    try:
        schedule = get_calendar(name, start=first.isoformat()).schedule
    except InvalidCalendarName:
        mend = "`openbell calendars list` shows those that are written, README the exchanges."
        raise CliError(f"There is no calendar and no exchange {name!r}. {mend}", BAD_INPUT) from None
    for label, row in zip(schedule.index, schedule.itertuples(index=False), strict=True):
        for opens, closes in _spans(row):
            yield Session(label.date(), opens.to_pydatetime(), closes.to_pydatetime())


def _spans(row: Any) -> tuple[tuple[Any, Any], ...]:
    """The stretches of a day; a break that is not there is NaT, which equals nothing."""
    if row.break_start == row.break_start and row.break_end == row.break_end:
        return (row.open, row.break_start), (row.break_end, row.close)
    return ((row.open, row.close),)
