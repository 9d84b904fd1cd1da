"""`openbell flags report`, `rule` and `budget`: the old way and the new one side by side, and what a flag waits for."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from openbell.cli import reach
from openbell.cli.amounts import actor_option, micro_dollars
from openbell.cli.exits import BAD_INPUT, NOTHING_KNOWN, CliError
from openbell.cli.options import data_option, json_option, seen_option
from openbell.cli.output import age, dollars, print_json, print_table, when

if TYPE_CHECKING:
    import asyncpg

    from openbell.engine.rollout import Rehearsed, Report, Trials

T = TypeVar("T")
DASH = "–"
WIDTH = 100
"""Characters of the longest line of words."""


@click.command("report")
@click.argument("name")
@click.option("--hours", type=click.FloatRange(0.01, 24 * 30), help="Over how long [default: what its rule says].")
@data_option
@json_option
def report(name: str, hours: float | None, data: Path | None, as_json: bool) -> None:
    """Compare the new way with the old one: calls, cost, age, differences, and what the rule still asks for."""
    from openbell.engine.rollout import LOOK_BACK
    from openbell.engine.rollout import report as read

    over = LOOK_BACK if hours is None else timedelta(hours=hours)
    found = ask(data, lambda db: read(db, name, over))
    if as_json:
        print_json(found.as_json())
        return
    click.echo(f"{name}: {found.flag.words}\n")
    if found.trials is not None:
        _print_trials(found, found.trials)
    else:
        _print_rehearsal(found)
    click.echo(f"\n{_ready(found)}")


@click.command("rule")
@click.argument("name")
@click.option("--at-least", type=click.IntRange(min=0), required=True, help="So many comparisons.")
@click.option("--different", type=click.FloatRange(0, 100), required=True, help="At most so many percent differ.")
@click.option("--failed", type=click.FloatRange(0, 100), required=True, help="At most so many percent fail.")
@click.option("--hours", type=click.FloatRange(0.1, 24 * 30), default=168.0, show_default=True, help="Over how long.")
@seen_option
@actor_option
@data_option
def rule(
    name: str,
    at_least: int,
    different: float,
    failed: float,
    hours: float,
    seen: int | None,
    actor: str,
    data: Path | None,
) -> None:
    """Say what must have been seen before a flag may go further: from shadow to a share, or to a larger one."""
    from openbell.engine.challenger import Rule
    from openbell.engine.rollout import set_rule

    asked = Rule(at_least, _share(different), _share(failed), timedelta(hours=hours))
    ask(data, lambda db: set_rule(db, name, asked, actor=actor, seen=seen))
    click.echo(f"{name} goes further after {at_least:,} comparisons: {different:g} % may differ, {failed:g} % fail.")


@click.command("budget")
@click.argument("name")
@click.option("--calls", type=click.IntRange(min=0), help="Calls a day.")
@click.option("--usd", help="Dollars a day, such as 0.50.")
@click.option("--credits", "credit", type=click.IntRange(min=0), help="Credits a day.")
@actor_option
@data_option
def budget(name: str, calls: int | None, usd: str | None, credit: int | None, actor: str, data: Path | None) -> None:
    """Say what the trials of a challenger may take in a day (UTC). What nobody has set may not be spent."""
    from openbell.engine.rollout import set_budget

    asked = {"calls": calls, "usd_micro": None if usd is None else micro_dollars(usd, "--usd"), "credits": credit}
    given = {resource: amount for resource, amount in asked.items() if amount is not None}
    if not given:
        raise CliError(f"Say how much: openbell flags budget {name} --calls 500", BAD_INPUT)

    async def change(connection: asyncpg.Connection) -> None:
        async with connection.transaction():
            for resource, amount in given.items():
                await set_budget(connection, name, resource, amount, actor=actor)

    ask(data, change)
    click.echo(f"Trials of {name} may take that from the next one on.")


def _print_trials(found: Report, t: Trials) -> None:
    sums = [
        ("calls", t.live_calls, t.calls), ("bytes", t.live_bytes, t.bytes),
        ("cost", dollars(t.live_cost_micro), dollars(t.cost_micro)),
        ("took, median", _seconds(t.live_took_s), _seconds(t.took_s)),
        ("age of the source, median", _age(t.live_age_s), _age(t.age_s)),
    ]  # fmt: skip
    print_table((f"{t.trials:,} trials of {t.keys:,} keys", "readers see>", "challenger>"), sums, empty="")
    seen = t.seen
    words = (
        f"{seen.compared:,} compared: {t.equal:,} equal, {t.different:,} different, {t.missing:,} missing, "
        f"{t.extra:,} extra. {t.failed:,} failed{f', mostly {t.most_frequent}' if t.most_frequent else ''}. "
        f"Not counted: {t.moved:,} whose source moved on, {t.dropped:,} without room."
    )
    click.echo(f"\n{click.wrap_text(words, WIDTH)}")
    if found.fields:
        click.echo()
        rows = [(one.path, one.side, one.trials, *(one.example.get(n) for n in _EXAMPLE)) for one in found.fields]
        print_table(("field", "how", "trials>", "key", "readers see", "challenger"), rows, empty="")


_EXAMPLE = ("key", "live", "new")


def _print_rehearsal(found: Report) -> None:
    columns: list[tuple[str, Sequence[Any]]] = []
    if (base := found.baseline) is not None:
        columns += [("baseline>", _figures(one, base.hours)) for one in base.figures]
    for side in found.sides:
        head = "on demand>" if side.taken_over else "polled>"
        columns.append((head, _figures(side.as_json(), _hours(found, side.since))))
    if found.rehearsed is not None:
        columns.append(("demand, rehearsed>", _rehearsed(found.rehearsed, _hours(found, found.rehearsed.since))))
    if not columns:
        raise CliError(f"{found.flag.name} has no report: its product has no fixed list.", NOTHING_KNOWN)
    names = ("keys", "hours", "refreshes", "calls", "calls a key and day", "bytes", "cost", "failed", "fresh", "age")
    lines = list(zip(names, *(column for _, column in columns), strict=True))
    print_table(("", *(head for head, _ in columns)), lines, empty="")
    if (r := found.rehearsed) is not None:
        words = (
            f"Rehearsed since {when(r.since.isoformat())}: somebody began to look {r.looks:,} times, and would have "
            f"waited for a fresh value {r.waits:,} times. Demand would have refreshed {r.rehearsed:,} times, the list "
            f"did {r.refreshes:,} times; {r.dearer:,} keys would have been refreshed more often."
        )
        click.echo(f"\n{click.wrap_text(words, WIDTH)}")


def _figures(one: Any, hours: float) -> Sequence[Any]:
    spread = one["calls"] / one["keys"] / hours * 24 if one["keys"] and hours else None
    median = one["median_age_s"]
    return (
        one["keys"], f"{hours:.1f}", one["refreshes"], one["calls"], DASH if spread is None else f"{spread:.1f}",
        one["bytes"], dollars(one["cost_micro"]), one["failed"], one["fresh"], DASH if median is None else age(median),
    )  # fmt: skip


def _rehearsed(r: Rehearsed, hours: float) -> Sequence[Any]:
    calls = r.would_take(r.calls)
    spread = calls / r.keys / hours * 24 if r.keys and hours else None
    return (
        r.keys, f"{hours:.1f}", r.rehearsed, calls, DASH if spread is None else f"{spread:.1f}",
        r.would_take(r.bytes), dollars(r.would_take(r.cost_micro)), DASH, DASH, DASH,
    )  # fmt: skip


def _hours(found: Report, since: datetime) -> float:
    return max((found.now - since).total_seconds(), 0.0) / 3600


def _ready(found: Report) -> str:
    if found.rule is None:
        return f"It has no rule: openbell flags rule {found.flag.name} --at-least 500 --different 0.5 --failed 1"
    if not found.shortfalls:
        return "Its rule is met: it may go further."
    return f"Its rule is not met: {'; '.join(found.shortfalls)}."


def _share(percent: float) -> float:
    return float(Decimal(str(percent)) / 100)


def _seconds(value: float | None) -> str:
    return DASH if value is None else f"{value:.2f} s"


def _age(value: float | None) -> str:
    return DASH if value is None else age(value)


def ask(data: Path | None, read: Callable[[asyncpg.Connection], Awaitable[T]]) -> T:
    """What ``read`` answers on a connection; errors of flags with the exit code that is theirs."""

    async def connected() -> T:
        from openbell.engine.flags import UnknownFlag

        async with reach.connected(data) as connection:
            try:
                return await read(connection)
            except UnknownFlag as error:
                raise CliError(str(error), NOTHING_KNOWN) from None

    return reach.run_async(connected())
