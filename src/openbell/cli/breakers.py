"""`openbell breakers`: providers that are left alone, and doing so by hand."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from openbell.cli import reach
from openbell.cli.amounts import actor_option
from openbell.cli.options import data_option, json_option
from openbell.cli.output import print_json, print_table, when
from openbell.cli.products import SPAN

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from openbell.engine.books import Breaker

reason_option = click.option("--reason", required=True, help="Why; it is kept in the audit log.")
operation_option = click.option("--operation", default="", help="Only this operation of the provider.")


@click.group()
def breakers() -> None:
    """Providers, or operations of theirs, that are left alone for a while, and doing so by hand."""


@breakers.command("list")
@data_option
@json_option
def breakers_list(data: Path | None, as_json: bool) -> None:
    """List who is left alone, since when, until when and why. Who is not listed is called."""

    async def read() -> Sequence[Breaker]:
        from openbell.engine.books import list_breakers

        async with reach.connected(data) as connection:
            return await list_breakers(connection)

    found = reach.run_async(read())
    if as_json:
        print_json([one.as_json() for one in found])
        return
    print_table(
        ("provider", "operation", "state", "since", "until", "why"),
        [
            (
                one.provider,
                one.operation or "everything",
                "open" if one.is_open else "half-open",
                when(one.opened_at.isoformat()),
                when(one.open_until.isoformat()),
                one.reason,
            )
            for one in found
        ],
        empty="All breakers are closed: calls go out.",
    )


@breakers.command("open")
@click.argument("provider")
@click.option("--for", "span", type=SPAN, required=True, help="For how long, a minute to a week: 15min, 4h, 2d.")
@operation_option
@reason_option
@actor_option
@data_option
def breakers_open(
    provider: str, span: timedelta, operation: str, reason: str, actor: str, data: Path | None
) -> None:  # fmt: skip
    """Let nobody call PROVIDER for a time. Then one call finds out whether it is there, and goes on from that."""

    async def act() -> datetime:
        from openbell.engine.breakers import find_breaker, open_breaker

        async with reach.connected(data) as connection:
            now = await find_breaker(connection, provider, operation)
            return await open_breaker(
                connection, provider, span, operation=operation, reason=reason, actor=actor,
                seen=now.open_until if now else None,
            )  # fmt: skip

    until = reach.run_async(act())
    click.echo(f"Nobody calls {f'{provider} {operation}'.strip()} until {when(until.isoformat())}.")


@breakers.command("close")
@click.argument("provider")
@operation_option
@reason_option
@actor_option
@data_option
def breakers_close(provider: str, operation: str, reason: str, actor: str, data: Path | None) -> None:
    """Call PROVIDER again before its time. Calls that fail open its breaker again."""

    async def act() -> None:
        from openbell.engine.breakers import close_breaker

        async with reach.connected(data) as connection:
            await close_breaker(connection, provider, operation=operation, reason=reason, actor=actor)

    reach.run_async(act())
    click.echo(f"{f'{provider} {operation}'.strip()} is called again.")
