"""`openbell jobs why`: what stands between a key and the work on it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from openbell.cli import reach
from openbell.cli.options import data_option, json_option
from openbell.cli.output import print_json, print_pairs, print_table, when

if TYPE_CHECKING:
    from openbell.engine.explain import Explanation


@click.command()
@click.argument("product")
@click.argument("key")
@data_option
@json_option
def why(product: str, key: str, data: Path | None, as_json: bool) -> None:
    """Say why KEY of PRODUCT is not running or not fresh: each gate in its way, and when work is expected to begin."""
    facts = reach.run_async(_inquire(data, product, key)).as_json()
    if as_json:
        print_json(facts)
        return
    click.echo(f"{facts['verdict']}\n")
    pairs = [("key", f"{facts['product']} {facts['key']}"), ("state", facts["state"])]
    if facts["job"]:
        pairs.append(("job", f"{facts['job']} (openbell jobs show {facts['job']})"))
    pairs.append(
        ("start", f"{when(facts['expected_start'])}, {facts['basis']}" if facts["expected_start"] else facts["basis"])
    )
    print_pairs(pairs)
    click.echo()
    print_table(
        ("gate", "is", "because", "opens"),
        [
            (
                gate["name"],
                "open" if gate["open"] else "closed",
                gate["detail"],
                when(gate["opens_at"]) if gate["opens_at"] else "",
            )
            for gate in facts["gates"]
        ],
        empty="",
    )


async def _inquire(data: Path | None, product: str, key: str) -> Explanation:
    from openbell.engine.inquiry import inquire
    from openbell.products import registry

    async with reach.connected(data) as connection:
        return await inquire(connection, registry(), product, key)
