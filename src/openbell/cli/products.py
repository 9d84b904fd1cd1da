"""`openbell products show | set`: the policy of one product, and changing it while everything runs."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from openbell.cli import reach
from openbell.cli.amounts import actor_option
from openbell.cli.exits import BAD_INPUT, CliError
from openbell.cli.listings import products
from openbell.cli.options import data_option, json_option, seen_option
from openbell.cli.output import age, print_json, print_pairs

if TYPE_CHECKING:
    from openbell.engine.registry import ProductRow

__all__ = ["products", "products_set", "products_show"]

UNITS = {"s": 1, "m": 60, "min": 60, "h": 3_600, "d": 86_400}


class Span(click.ParamType):  # type: ignore[type-arg,unused-ignore]
    """A time as people write it: ``90s``, ``5min``, ``12h``, ``30d``."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        """Click's own error for what is no time above 0."""
        if isinstance(value, timedelta):
            return value
        found = re.fullmatch(r"(\d{1,6}) ?(s|m|min|h|d)", str(value).strip())
        if found is None or int(found[1]) == 0:
            self.fail(f"{value!r} is no time, such as 90s, 5min, 12h or 30d.", param, ctx)
        return timedelta(seconds=int(found[1]) * UNITS[found[2]])


SPAN = Span()


@products.command("show")
@click.argument("name")
@data_option
@json_option
def products_show(name: str, data: Path | None, as_json: bool) -> None:
    """Show the policy of a product as it is in force, and what an operator has changed of it."""
    _tell(reach.run_async(_find(name, data)), as_json)


@products.command("set")
@click.argument("name")
@click.option("--ttl", type=SPAN, help="How long a value is fresh after it was checked: 90s, 5min, 12h, 30d.")
@click.option("--stale", "stale_ttl", type=SPAN, help="How long an old value is still served.")
@click.option("--empty", "empty_ttl", type=SPAN, help='How long "the source has nothing" holds.')
@click.option("--retry", "retry_ttl", type=SPAN, help="How long a key that failed is left alone.")
@click.option("--keep", "keep_for", type=SPAN, help="How long an old version is kept.")
@click.option("--timeout", type=SPAN, help="Of one attempt.")
@click.option("--max-attempts", type=click.IntRange(1, 100), help="Attempts of one job.")
@click.option("--calls", type=click.IntRange(0, 1_000), help="Calls of one refresh.")
@click.option("--bytes", type=click.IntRange(0, 10**12), help="Bytes of one refresh.")
@click.option("--on/--off", "enabled", default=None, help="Whether it is made at all.")
@click.option("--reason", default="", help="Why; it is kept in the audit log.")
@seen_option
@actor_option
@data_option
@json_option
def products_set(
    name: str, reason: str, seen: int | None, actor: str, data: Path | None, as_json: bool, **given: Any
) -> None:
    """Change the policy of a product. It holds at once, in every process, and is written into the audit log.

    \b
    openbell products set quote --ttl 5min
    openbell products set stock-headlines --off
    """  # noqa: D301 (click reads the mark itself, not its spelling)
    changes = {column: value for column, value in given.items() if value is not None}
    if not changes:
        raise click.UsageError("Say what to change: --ttl, --stale, …, --on or --off.")
    _tell(reach.run_async(_set(name, changes, data, actor=actor, reason=reason, seen=seen)), as_json)


async def _find(name: str, data: Path | None) -> ProductRow:
    from openbell.engine.errors import UnknownProduct
    from openbell.engine.registry import list_products

    async with reach.connected(data) as connection:
        rows = await list_products(connection)
    found = next((row for row in rows if row.name == name), None)
    if found is None:
        raise UnknownProduct(name, [row.name for row in rows])
    return found


async def _set(name: str, changes: dict[str, Any], data: Path | None, *, seen: int | None, **said: str) -> ProductRow:
    from openbell.engine.registry import set_product

    row = await _find(name, data)
    after = {column: changes.get(column, getattr(row, column)) for column in ("ttl", "stale_ttl")}
    if after["ttl"] is not None and after["stale_ttl"] is not None and after["ttl"] > after["stale_ttl"]:
        raise CliError("A value cannot be fresh for longer than it is served: set --stale too.", BAD_INPUT)
    if row.ttl is None and {"ttl", "stale_ttl", "empty_ttl", "keep_for"} & set(changes):
        raise CliError(
            f"{name} is a task, which keeps no result: it has no --ttl, --stale, --empty or --keep.", BAD_INPUT
        )
    async with reach.connected(data) as connection:
        return await set_product(connection, name, changes, **said, seen=row.revision if seen is None else seen)


def _tell(row: ProductRow, as_json: bool) -> None:
    facts = row.as_json()
    if as_json:
        print_json(facts)
        return
    spans = {name: value for name, value in facts.items() if name.endswith("_s")}
    plain = {name: value for name, value in facts.items() if name not in spans and name != "changed"}
    told = [
        (name.removesuffix("_s").replace("_", " "), age(value)) for name, value in spans.items() if value is not None
    ]
    print_pairs(
        [
            *((name.replace("_", " "), value) for name, value in plain.items()),
            *told,
            ("set by an operator", ", ".join(facts["changed"]) or "nothing"),
        ]
    )
