"""`openbell polls`: fixed lists of keys that are refreshed whether or not somebody looks, and taking them over."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, TextIO, TypeVar

import click

from openbell.cli import reach
from openbell.cli.amounts import actor_option
from openbell.cli.exits import BAD_INPUT, NOTHING_KNOWN, CliError
from openbell.cli.flags import LIFE
from openbell.cli.options import data_option, json_option
from openbell.cli.output import age, dollars, print_json, print_table, when

if TYPE_CHECKING:
    import asyncpg

    from openbell.engine.polls import Side

T = TypeVar("T")


@click.group()
def polls() -> None:
    """Fixed lists: keys that are refreshed whether or not somebody looks, until demand takes them over.

    The flag demand-PRODUCT takes over the keys of a list, a share of them or all, and gives them back:
    openbell flags set demand-quote 10%. In shadow it only notes what demand would do, which is told by
    openbell flags report demand-quote.
    """


@polls.command("list")
@data_option
@json_option
def polls_list(data: Path | None, as_json: bool) -> None:
    """List the products with a fixed list, and how many of its keys demand has taken over."""
    from openbell.engine.polls import flag_of, list_polls

    found = _ask(data, list_polls)
    if as_json:
        print_json(
            [{"product": p.product, "keys": p.keys, "taken_over": p.taken_over, "first": p.first_keys} for p in found]
        )
        return
    print_table(
        ("product", "keys>", "taken over>", "flag", "first"),
        [(p.product, p.keys, p.taken_over, flag_of(p.product), ", ".join(p.first_keys[:5])) for p in found],
        empty="No product has a fixed list: everything is refreshed while somebody looks.",
    )


@polls.command("add")
@click.argument("product")
@click.argument("keys", nargs=-1)
@click.option("--file", "lines", type=click.File(), help="Take the keys from a file, one a line.")
@actor_option
@data_option
def polls_add(product: str, keys: tuple[str, ...], lines: TextIO | None, actor: str, data: Path | None) -> None:
    """Put keys on the fixed list of a product, which is then refreshed as often as its values last."""
    from openbell.engine.flags import add_flag
    from openbell.engine.polls import add_polls, flag_of
    from openbell.products import registry

    given = [*keys, *(line.strip() for line in lines or () if line.strip())]
    if not given:
        raise CliError(f"Name keys, or a file of them: openbell polls add {product} AAPL MSFT", BAD_INPUT)
    one = registry().artifact(product)
    canonical = sorted({one.parse_key(key) for key in given})
    about = f"{product}: keys of the fixed list that are refreshed on demand instead"

    async def add(connection: asyncpg.Connection) -> None:
        async with connection.transaction():
            end = (datetime.now(UTC) + LIFE).date()
            await add_polls(connection, product, canonical)
            await add_flag(connection, flag_of(product), about=about, owner=actor, remove_by=end, actor=actor)

    _ask(data, add)
    click.echo(
        f"{len(canonical)} keys of {product} are on its fixed list. "
        f"See what demand would do with: openbell flags set {flag_of(product)} shadow"
    )


@polls.command("remove")
@click.argument("product")
@click.argument("keys", nargs=-1)
@click.option("--all", "everything", is_flag=True, help="The whole list.")
@data_option
def polls_remove(product: str, keys: tuple[str, ...], everything: bool, data: Path | None) -> None:
    """Take keys off the fixed list of a product. What is stored of them stays."""
    from openbell.engine.polls import drop_polls
    from openbell.products import registry

    if bool(keys) == everything:
        raise CliError("Name the keys to remove, or --all.", BAD_INPUT)
    canonical = [registry().get(product).parse_key(key) for key in keys]
    _ask(data, lambda db: drop_polls(db, product, None if everything else canonical))
    click.echo(f"The list of {product} is without them." if keys else f"{product} has no fixed list any more.")


@polls.command("compare")
@click.argument("product")
@click.option("--hours", type=click.FloatRange(0.01, 24 * 90), default=24.0, show_default=True, help="Over how long.")
@data_option
@json_option
def polls_compare(product: str, hours: float, data: Path | None, as_json: bool) -> None:
    """Compare both sides of a list: the keys still polled, and those that demand has taken over."""
    from openbell.engine.polls import compare_polls, fewer

    sides = _ask(data, lambda db: compare_polls(db, product, timedelta(hours=hours)))
    by_side = {side.taken_over: side for side in sides}
    saved = fewer(by_side[False], by_side[True]) if len(by_side) == 2 else None
    if not sides:
        raise CliError(f"{product} has no fixed list: openbell polls add {product} KEY …", NOTHING_KNOWN)
    if as_json:
        print_json({"product": product, "hours": hours, "fewer_calls": saved, "sides": [s.as_json() for s in sides]})
        return
    heads = (
        "side",
        "keys>",
        "calls>",
        "a key>",
        "bytes>",
        "cost>",
        "refreshed>",
        "changed>",
        "failed>",
        "fresh>",
        "age>",
    )
    print_table(heads, [_line(side) for side in sides], empty="")
    since = f"\nSince {when(sides[0].since.isoformat())}"
    if saved is None:
        click.echo(f"{since}.")
    else:
        words = f"{abs(saved):.0%} {'fewer' if saved >= 0 else 'more'} calls"
        click.echo(f"{since} a key that demand has taken over takes {words}.")


def _line(side: Side) -> tuple[object, ...]:
    return (
        "on demand" if side.taken_over else "polled",
        side.keys,
        side.calls,
        f"{side.calls / side.keys:.1f}",
        side.bytes,
        dollars(side.cost_micro),
        side.refreshes,
        side.changed,
        side.failed,
        side.fresh,
        "" if side.median_age_s is None else age(side.median_age_s),
    )


def _ask(data: Path | None, work: Callable[[asyncpg.Connection], Awaitable[T]]) -> T:
    async def ask() -> T:
        async with reach.connected(data) as connection:
            return await work(connection)

    return reach.run_async(ask())
