"""`openbell jobs | products`: what there is, as tables or as JSON."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from openbell.cli import reach
from openbell.cli.exits import NOTHING_KNOWN, CliError
from openbell.cli.options import data_option, json_option
from openbell.cli.output import age, dollars, duration, print_json, print_pairs, print_table, when

if TYPE_CHECKING:
    import asyncpg

T = TypeVar("T")
LIST_MAX = 10_000
BODY_MAX = 200
JOB_STATES = (
    "waiting", "parked", "running",
    "done", "unchanged", "empty", "outdated", "superseded", "failed", "expired", "cancelled",
)  # fmt: skip


@click.group()
def jobs() -> None:
    """What is being made, what waits, what happened."""


@jobs.command("list")
@click.option("--state", type=click.Choice(JOB_STATES), help="Only jobs in this state.")
@click.option("--product", help="Only jobs of this product.")
@click.option("--limit", type=click.IntRange(1, LIST_MAX), default=50, show_default=True, help="At most so many.")
@data_option
@json_option
def jobs_list(state: str | None, product: str | None, limit: int, data: Path | None, as_json: bool) -> None:
    """List jobs: live ones in the order in which they are served, then the latest finished ones."""

    async def read(connection: asyncpg.Connection) -> Sequence[Any]:
        from openbell.engine import jobs as engine_jobs

        return await engine_jobs.list_jobs(connection, state=state, product=product, limit=limit)

    rows = [view.as_json() for view in _ask(data, read)]
    if as_json:
        print_json(rows)
        return
    print_table(
        ("id>", "product", "key", "class", "state", "attempt>", "queued", "why"),
        [
            (
                str(r["id"]),
                r["product"],
                r["key"],
                r["class"],
                r["state"],
                r["attempt"],
                when(r["queued_at"]),
                r["reason"] or r["message"] or "",
            )
            for r in rows
        ],
        empty="No jobs. One appears when somebody asks for something that is not fresh: openbell get quote AAPL",
    )


@jobs.command("show")
@click.argument("job_id", metavar="ID", type=click.IntRange(1))
@data_option
@json_option
def jobs_show(job_id: int, data: Path | None, as_json: bool) -> None:
    """Show one job with its timeline: attempts, and each outside call with its outcome and cost.

    An answer that was read and did not pass is shown with what is wrong; `--json` has up to 64 KiB of it.
    """

    async def read(connection: asyncpg.Connection) -> Any:
        from openbell.engine import jobs as engine_jobs

        return await engine_jobs.get(connection, job_id), await engine_jobs.rejected(connection, job_id)

    view, rejected = _ask(data, read)
    if view is None:
        raise CliError(f"There is no job {job_id}: `openbell jobs list` shows those there are.", NOTHING_KNOWN)
    if not as_json:
        rejected = [{**one, "body": _beginning(one["body"])} for one in rejected]
    _show({**view.as_json(), "rejected": rejected}, as_json)


@click.group()
def products() -> None:
    """What can be made, and under which policy."""


@products.command("list")
@data_option
@json_option
def products_list(data: Path | None, as_json: bool) -> None:
    """List the products with the policy that is in force."""

    async def read(connection: asyncpg.Connection) -> Sequence[Any]:
        from openbell.engine.registry import list_products

        return await list_products(connection)

    rows = [row.as_json() for row in _ask(data, read)]
    if as_json:
        print_json(rows)
        return
    print_table(
        ("product", "version>", "provider", "class", "fresh for>", "served for>", "calls>", "enabled", "changed"),
        [
            (
                r["name"], r["version"], r["provider"], r["class"], age(r["ttl_s"]), age(r["stale_ttl_s"]), r["calls"],
                r["enabled"], ", ".join(r["changed"]),
            )
            for r in rows
        ],
        empty="No products yet. A worker enters them when it starts.",
    )  # fmt: skip


def _ask(data: Path | None, question: Callable[[asyncpg.Connection], Awaitable[T]]) -> T:
    """Ask the database one thing."""

    async def ask() -> T:
        async with reach.connected(data) as connection:
            return await question(connection)

    return reach.run_async(ask())


def _show(facts: dict[str, Any], as_json: bool) -> None:
    """One thing in full: plain facts first, then each list in it as a table."""
    if as_json:
        print_json(facts)
        return
    lists = {name: value for name, value in facts.items() if _is_rows(value)}
    rest = {name: value for name, value in facts.items() if not isinstance(value, list | None)}
    print_pairs([(_title(name), _plain(name, value)) for name, value in rest.items()])
    for name, rows in lists.items():
        click.echo(f"\n{_title(name)}")
        columns = list(dict.fromkeys(column for row in rows for column in row))
        print_table(
            [_title(column) for column in columns],
            [[_plain(column, row.get(column)) for column in columns] for row in rows],
            empty="",
        )


def _beginning(body: str | None) -> str:
    """As much of an answer as a table can hold."""
    plain = " ".join((body or "").split())
    return plain if len(plain) <= BODY_MAX else f"{plain[:BODY_MAX]}…"


def _title(name: str) -> str:
    """The name of a fact without its unit, which its figure shows."""
    return name.removesuffix("_micro").removesuffix("_s").replace("_", " ")


def _is_rows(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(row, dict) for row in value)


def _plain(name: str, value: object) -> object:
    if isinstance(value, str) and (name.endswith("_at") or name in ("at", "now", "deadline")):
        return when(value)
    if isinstance(value, int) and name.endswith("_micro"):
        return dollars(value)
    if isinstance(value, int | float) and name.endswith("_s"):
        return duration(value)
    if isinstance(value, dict):
        return ", ".join(f"{inner} {amount}" for inner, amount in value.items()) or None
    return value
