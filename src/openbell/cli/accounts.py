"""`openbell accounts`: what may be spent, what has been, how long it lasts; and granting more."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from openbell.cli import reach
from openbell.cli.amounts import ALIASES, actor_option, micro_dollars
from openbell.cli.exits import NOTHING_KNOWN, CliError
from openbell.cli.options import data_option, json_option
from openbell.cli.output import print_json, print_pairs, print_table, when

if TYPE_CHECKING:
    from openbell.engine.books import Book, Granted

WIDTH = 100
"""Characters of the longest line of words."""


@click.group()
def accounts() -> None:
    """What may be spent, what has been, and how long it lasts."""


@accounts.command("list")
@click.option("--all", "ended", is_flag=True, help="Also those of periods that have ended.")
@data_option
@json_option
def accounts_list(ended: bool, data: Path | None, as_json: bool) -> None:
    """List what is granted, held, spent and free."""
    books = [book for book, _ in reach.run_async(_read(data, ended=ended))]
    if as_json:
        print_json([book.as_json() for book in books])
        return
    print_table(
        ("account", "granted>", "held>", "spent>", "free>", "used>"),
        [_line(book) for book in books],
        empty="No accounts yet. A worker makes them when it starts.",
    )
    for number, book in enumerate(book for book in books if book.blocked_until or (book.is_budget and book.used)):
        click.echo(("" if number else "\n") + _outlook(book))


def _line(book: Book) -> tuple[str, ...]:
    from openbell.engine.books import about, amount

    sums = (book.granted, book.held, book.spent + book.overrun, book.free)
    figures = (amount(book.resource, about(book.resource, n)) for n in sums)
    used = f"{100 * book.used // book.granted} %" if book.granted else "–"
    return (book.name, *figures, used)


def _outlook(book: Book) -> str:
    """How long it lasts, and until when it is paused, in lines that are not too long to read."""
    from openbell.engine.books import forecast

    paused = f"Paused until {_paused(book)}. " if book.blocked_until else ""
    return click.wrap_text(f"{book.name}: {paused}{forecast(book)}", WIDTH, subsequent_indent="  ")


def _paused(book: Book) -> str | None:
    """Until when and why; None when it is not."""
    if book.blocked_until is None:
        return None
    return f"{when(book.blocked_until.isoformat())}: {(book.blocked_reason or 'no reason given').rstrip('.')}"


@accounts.command("show")
@click.argument("subject")
@click.argument("resource", required=False)
@click.option("--period", help="Only the account of this period, such as minute, 30 days or 2026-11.")
@click.option("--all", "ended", is_flag=True, help="Also those of periods that have ended.")
@data_option
@json_option
def accounts_show(
    subject: str, resource: str | None, period: str | None, ended: bool, data: Path | None, as_json: bool
) -> None:
    """Show accounts in full, with every grant: those of SUBJECT, or its one of RESOURCE."""
    resource = ALIASES.get(resource or "", resource)
    found = reach.run_async(_read(data, subject, resource, period, ended=ended or period is not None))
    if not found:
        named = " ".join(part for part in (subject, resource, period) if part)
        raise CliError(f"There is no account {named}: `openbell accounts list` shows those there are.", NOTHING_KNOWN)
    if as_json:
        print_json([book.as_json() | {"history": [one.as_json() for one in grants]} for book, grants in found])
        return
    for n, (book, grants) in enumerate(found):
        if n:
            click.echo()
        print_pairs(_facts(book))
        if grants:
            click.echo("\ngrants")
            print_table(("when", "by", "amount>", "reason"), [_grant(book, one) for one in grants], empty="")


def _grant(book: Book, one: Granted) -> tuple[str, ...]:
    from openbell.engine.books import amount

    return (when(one.at.isoformat()), one.actor, amount(book.resource, one.amount), one.reason)


def _facts(book: Book) -> list[tuple[str, Any]]:
    from openbell.engine.books import amount, forecast, grant_command, words
    from openbell.engine.registry import class_name

    def figure(n: int) -> str:
        return amount(book.resource, n)

    kept = ", ".join(f"{figure(n)} for {class_name(int(number))}" for number, n in book.floors.items())
    facts: list[tuple[str, Any]] = [
        ("account", book.name),
        ("in commands", book.arguments),
        ("limit", figure(book.granted - book.extra)),
        ("granted beyond it", figure(book.extra)),
        ("held", figure(book.held)),
        (
            "of that in doubt",
            f"{figure(book.doubtful)} ({words('calls', book.doubtful_calls)})" if book.doubtful else None,
        ),
        ("spent", figure(book.spent)),
        ("beyond any hold", figure(book.overrun) if book.overrun else None),
        ("free", figure(book.free)),
        ("of that kept", kept or None),
        ("period ends", when(book.ends_at.isoformat()) if book.ends_at else None),
        ("next to free", f"{figure(book.frees)} at {when(book.frees_at.isoformat())}" if book.frees_at else None),
        ("taken a day", None if book.per_day is None else figure(book.per_day)),
        ("runs out", when(book.runs_out_at.isoformat()) if book.runs_out_at else None),
        ("paused until", _paused(book)),
        ("outlook", forecast(book)),
        ("to grant more", grant_command(book) if book.closes == "charge" else None),
    ]
    return [(name, value) for name, value in facts if value is not None]


@accounts.command("grant", context_settings={"ignore_unknown_options": True})
@click.argument("subject")
@click.argument("resource")
@click.argument("amount")
@click.option("--period", help="Which account, where the subject has several of the resource.")
@click.option("--reason", required=True, help="Why; it is kept with the grant.")
@actor_option
@data_option
@json_option
def accounts_grant(
    subject: str,
    resource: str,
    amount: str,
    period: str | None,
    reason: str,
    actor: str,
    data: Path | None,
    as_json: bool,
) -> None:
    """Grant more of a budget, or take some of it back.

    SUBJECT may spend AMOUNT more of RESOURCE in the period that runs; a negative AMOUNT takes back what was granted
    and is free. Paces, such as calls in any minute, are the provider's and take no grants. The amount is in units of
    the resource (bytes, calls, credits, usd_micro); with `usd` as the resource it is in dollars:
    openbell accounts grant perplexity usd 5.00 --reason "launch week"
    """
    units = micro_dollars(amount, "AMOUNT") if resource == "usd" else _whole(amount, resource)
    resource = ALIASES.get(resource, resource)
    book, woken = reach.run_async(_grant_it(data, subject, resource, units, period, reason, actor))
    if as_json:
        print_json(book.as_json() | {"woken": woken})
        return
    from openbell.engine.books import words

    changed, granted, free = (words(resource, n) for n in (abs(units), book.granted, book.free))
    jobs = f" Jobs that waited for it and go on now: {woken}." if woken else ""
    done = "Granted" if units > 0 else "Took back"
    click.echo(f"{done} {changed}: {book.name} now grants {granted}, of which {free} are free.{jobs}")


@accounts.command("resume")
@click.argument("subject")
@click.option("--reason", required=True, help="Why; it is kept in the audit log.")
@actor_option
@data_option
@json_option
def accounts_resume(subject: str, reason: str, actor: str, data: Path | None, as_json: bool) -> None:
    """End the pause of a provider before its time. When the provider still refuses, the next call pauses it again."""
    count = reach.run_async(_resume(data, subject, reason, actor))
    if as_json:
        print_json({"subject": subject, "resumed": count})
    else:
        click.echo(f"{subject} goes on." if count else f"{subject} was not paused.")


def _whole(text: str, resource: str) -> int:
    """The amount in units of its resource. Raises click's error, exit 2."""
    try:
        return int(text)
    except ValueError:
        hint = " For dollars, name `usd` as the resource." if resource == "usd_micro" else ""
        raise click.BadParameter(f"{text!r} is no whole number of {resource}.{hint}", param_hint="AMOUNT") from None


async def _read(
    data: Path | None,
    subject: str | None = None,
    resource: str | None = None,
    period: str | None = None,
    *,
    ended: bool,
) -> list[tuple[Book, list[Granted]]]:
    """The accounts; with their grants when some are meant."""
    from openbell.engine import books

    async with reach.connected(data) as connection:
        found = await books.list_books(connection, subject, resource, period, ended=ended)
        return [(book, await books.list_grants(connection, book.id) if subject else []) for book in found]


async def _grant_it(
    data: Path | None, subject: str, resource: str, units: int, period: str | None, reason: str, actor: str
) -> tuple[Book, int]:
    from openbell.engine import books

    async with reach.connected(data) as connection:
        try:
            return await books.grant(connection, subject, resource, units, period=period, reason=reason, actor=actor)
        except books.UnknownAccount as error:
            raise CliError(str(error), NOTHING_KNOWN) from None


async def _resume(data: Path | None, subject: str, reason: str, actor: str) -> int:
    from openbell.engine import books

    async with reach.connected(data) as connection:
        try:
            return await books.resume(connection, subject, reason=reason, actor=actor)
        except books.UnknownAccount as error:
            raise CliError(str(error), NOTHING_KNOWN) from None
