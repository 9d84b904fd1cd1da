"""`openbell spends`: single outside calls, and saying what became of those that nobody knows about."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from openbell.cli import reach
from openbell.cli.amounts import actor_option, micro_dollars
from openbell.cli.exits import NOTHING_KNOWN, CliError
from openbell.cli.options import data_option, json_option
from openbell.cli.output import print_json, print_pairs, print_table, when

if TYPE_CHECKING:
    from openbell.engine.costs import Receipt

LIST_MAX = 10_000


@click.group()
def spends() -> None:
    """Outside calls, what they took, what became of them."""


@spends.command("list")
@click.option("--unknown", is_flag=True, help="Only calls whose outcome nobody knows.")
@click.option("--provider", help="Only calls of this provider.")
@click.option("--job", type=click.IntRange(1), help="Only calls of this job.")
@click.option("--limit", type=click.IntRange(1, LIST_MAX), default=50, show_default=True, help="At most so many.")
@data_option
@json_option
def spends_list(
    unknown: bool, provider: str | None, job: int | None, limit: int, data: Path | None, as_json: bool
) -> None:
    """List the latest calls, the newest first."""
    rows = reach.run_async(_list(data, unknown, provider, job, limit))
    if as_json:
        print_json([row.as_json() for row in rows])
        return
    print_table(
        ("id>", "when", "call", "for", "job>", "state", "held", "took", "outcome"),
        [
            (
                str(row.id),
                when(row.intended_at.isoformat()),
                f"{row.provider}{_with(row)} {row.operation}",
                f"{row.product} {row.key}",
                "–" if row.job_id is None else str(row.job_id),
                row.state,
                _amounts(row.held),
                _amounts(row.took),
                row.outcome or "",
            )
            for row in rows
        ],
        empty="No call is in doubt." if unknown else "No calls yet.",
    )


@spends.command("show")
@click.argument("spend_id", metavar="ID", type=click.IntRange(1, 2**63 - 1))
@data_option
@json_option
def spends_show(spend_id: int, data: Path | None, as_json: bool) -> None:
    """Show one call in full, and what operators have said about it."""
    spend, said = reach.run_async(_get(data, spend_id))
    if as_json:
        print_json(spend.as_json() | {"resolutions": list(said)})
        return
    print_pairs(_facts(spend))
    if said:
        click.echo("\nresolved")
        print_table(
            ("when", "by", "as", "reason"),
            [(when(one["at"]), one["actor"], one["after"]["state"], one["after"]["reason"]) for one in said],
            empty="",
        )


def _facts(spend: Receipt) -> list[tuple[str, Any]]:
    from openbell.engine.books import dollars

    facts = [
        ("spend", str(spend.id)),
        ("call", f"{spend.provider} {spend.operation}"),
        ("made with", spend.credential and f"the key {spend.credential}"),
        ("made for", f"{spend.product} {spend.key}"),
        ("job", spend.job_id and f"{spend.job_id} (openbell jobs show {spend.job_id})"),
        ("on behalf of", spend.on_behalf),
        ("state", spend.state),
        ("outcome", spend.outcome),
        ("held", _amounts(spend.held)),
        ("took", _amounts(spend.took) or None),
        ("cost", dollars(spend.cost_micro)),
        ("intended", when(spend.intended_at.isoformat())),
        ("sent", spend.sent_at and when(spend.sent_at.isoformat())),
        ("ended", spend.ended_at and when(spend.ended_at.isoformat())),
        ("if it is lost", LOST[spend.effect]),
        ("key", spend.idempotency_key),
        ("resent until", spend.resend_until and when(spend.resend_until.isoformat())),
        ("called there", spend.provider_ref),
    ]
    return [(name, value) for name, value in facts if value is not None]


LOST: Mapping[str, str] = {
    "repeat": "repeat: it is made again, which is free of harm",
    "resend": "resend: it is sent again with its key, which the provider knows",
    "lookup": "lookup: the provider is asked about it first",
    "never": "never: it is not made again; an operator decides",
}


@spends.command("resolve")
@click.argument("spend_id", metavar="ID", type=click.IntRange(1, 2**63 - 1))
@click.option("--happened/--never-happened", default=None, help="What the provider's own record says.")
@click.option("--cost", metavar="DOLLARS", help="What it has cost; by default what was held for it.")
@click.option("--reason", required=True, help="How you know; it is kept with the spend.")
@actor_option
@data_option
@json_option
def spends_resolve(
    spend_id: int,
    happened: bool | None,
    cost: str | None,
    reason: str,
    actor: str,
    data: Path | None,
    as_json: bool,
) -> None:
    """Say what became of a call in doubt: what is held for it is charged, or given back."""
    if happened is None:
        raise click.UsageError("Say --happened or --never-happened.")
    cost_micro = None if cost is None else micro_dollars(cost, "--cost")
    spend = reach.run_async(_resolve(data, spend_id, happened, cost_micro, reason, actor))
    if as_json:
        print_json(spend.as_json())
        return
    from openbell.engine.books import dollars

    retry = f"openbell jobs retry {spend.job_id}" if spend.job_id else ""
    if happened:
        again = f" What it was made for is not made again by itself; to pay for it again: {retry}" if retry else ""
        click.echo(f"Spend {spend.id} has happened: {dollars(spend.cost_micro)} are charged.{again}")
    else:
        again = f" What it was made for can be made again, now with: {retry}" if retry else ""
        click.echo(f"Spend {spend.id} never happened: what was held for it is free again.{again}")


def _with(row: Receipt) -> str:
    """Which of several keys, by its name."""
    return f" ({row.credential})" if row.credential else ""


def _amounts(amounts: Mapping[str, int] | None) -> str:
    """What is held or taken, by resource; that it was one call goes without saying."""
    from openbell.engine.books import words

    said = {resource: n for resource, n in (amounts or {}).items() if (resource, n) != ("calls", 1)}
    return ", ".join(words(resource, n) for resource, n in said.items())


async def _list(
    data: Path | None, unknown: bool, provider: str | None, job: int | None, limit: int
) -> Sequence[Receipt]:
    from openbell.engine.costs import list_spends

    async with reach.connected(data) as connection:
        return await list_spends(connection, unknown=unknown, provider=provider, job_id=job, limit=limit)


async def _get(data: Path | None, spend_id: int) -> tuple[Receipt, Sequence[dict[str, Any]]]:
    from openbell.engine.costs import UnknownSpend, get_spend

    async with reach.connected(data) as connection:
        try:
            return await get_spend(connection, spend_id)
        except UnknownSpend as error:
            raise CliError(str(error), NOTHING_KNOWN) from None


async def _resolve(
    data: Path | None, spend_id: int, happened: bool, cost_micro: int | None, reason: str, actor: str
) -> Receipt:
    from openbell.engine.costs import UnknownSpend, resolve

    async with reach.connected(data) as connection:
        try:
            return await resolve(
                connection, spend_id, happened=happened, cost_micro=cost_micro, reason=reason, actor=actor
            )
        except UnknownSpend as error:
            raise CliError(str(error), NOTHING_KNOWN) from None
