"""`openbell digests prompts` and `review`: how prompts do beside each other, and what reviews have found."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from openbell.cli.exits import BAD_INPUT, NOTHING_KNOWN, CliError
from openbell.cli.options import data_option, json_option
from openbell.cli.output import dollars, print_json, print_table
from openbell.cli.rollout import ask

if TYPE_CHECKING:
    import asyncpg

    from openbell.products.digest.prompts.compare import Trial
    from openbell.products.digest.review import Review

SHOWN = 80


@click.command()
@click.argument("name", required=False)
@click.option("--days", type=click.IntRange(1, 400), default=30, show_default=True, help="How far to look back.")
@data_option
@json_option
def prompts(name: str | None, days: int, data: Path | None, as_json: bool) -> None:
    """Show the versions of a prompt beside each other: digests, marks, failures, holds, cost.

    A version above the current one is used for the tickers for which the flag `prompt-NAME-VERSION` is on.
    """
    from openbell.products.digest.prompts import UnknownPrompt, versions
    from openbell.products.digest.prompts.compare import compare

    async def read(db: asyncpg.Connection) -> list[Trial]:
        return [one for each in names for one in await compare(db, each, timedelta(days=days))]

    names = [name] if name else sorted(versions())
    try:
        found = ask(data, read)
    except UnknownPrompt as error:
        raise CliError(str(error), BAD_INPUT) from None
    if as_json:
        print_json([one.as_json() for one in found])
        return
    print_table(
        ("prompt", "used by", "digests", "bullets", "shown", "marks", "held", "asked", "kept", "failed", "cost"),
        [
            (
                one.prompt, one.role, one.digests, one.bullets, one.shown, one.marks, f"{one.held} of {one.reviewed}",
                one.answers - one.kept, one.kept, one.failures, dollars(one.cost_micro),
            )
            for one in found
        ],
        empty="No prompts.",
    )  # fmt: skip


@click.command()
@click.argument("key")
@click.option("--again", is_flag=True, help="Have it looked at once more; a worker does it.")
@data_option
@json_option
def review(key: str, again: bool, data: Path | None, as_json: bool) -> int:
    """Show what the review of a digest has found, such as of 'AAPL|daily|2026-11-24'.

    Exit code: 0 when it is shown, 3 when nobody has looked at it yet.
    """
    from openbell.engine.artifacts import read
    from openbell.products.digest.editions import DigestKey
    from openbell.products.digest.review import ask_review, read_review

    try:
        canonical = DigestKey.parse(key)
    except ValueError as error:
        raise CliError(f"{key[:60]!r} is no key of a digest: {error}.", BAD_INPUT) from None

    async def look(db: asyncpg.Connection) -> Review | None:
        reading = await read(db, "digest", canonical)
        if again and reading.version:
            await ask_review(db, canonical)
        return await read_review(db, canonical, reading.version) if reading.version else None

    found = ask(data, look)
    if found is None:
        print(f"{canonical} has not been looked at." + (" It will be." if again else " Have it done with --again."))
        return NOTHING_KNOWN
    if as_json:
        print_json(
            {
                "key": str(canonical),
                "verdict": found.verdict,
                "judge": found.judge,
                "sentences": found.sentences,
                "findings": list(found.findings),
                "made_at": found.made_at.isoformat(),
            }
        )
        return 0
    print(f"{canonical}: {found.verdict}, {found.sentences} sentences, checked by {found.judge}")
    print_table(
        ("kind", "where", "sentence", "why"),
        [(one["kind"], one["where"], one["text"][:SHOWN], one["why"][:SHOWN]) for one in found.findings],
        empty="No findings.",
    )
    return 0
