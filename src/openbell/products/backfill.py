"""The task that moves data for a migration: a batch at a time, at its rate, from where the last one came to."""

from __future__ import annotations

import re
from datetime import timedelta
from importlib.resources.abc import Traversable

from openbell.engine.errors import Permanent, Transient, Waiting
from openbell.engine.keys import Key
from openbell.engine.persist import DATABASE_ERRORS
from openbell.engine.registry import Product, days, minutes, task
from openbell.postgres.backfill import list_backfills, run
from openbell.postgres.migrate import load
from openbell.products.context import Context

WORK_S = 30.0
"""How long one job works before it stands in line again, so that its slot is not its own for hours."""


class BackfillName(Key):
    """The name of a migration file."""

    __slots__ = ()

    pattern = re.compile(r"\d{4}(_[a-z0-9]+){2,}")
    shape = "the name of a migration, such as 0030_fill_names"


def declare(folder: Traversable | None = None, *, work_s: float = WORK_S) -> Product:
    """The task over the files of a folder, by default those of this version."""

    @task(
        "backfill", version=1, key=BackfillName, timeout=minutes(5), retry=minutes(1), patience=days(60),
        job_class="background",
    )  # fmt: skip
    async def backfill(key: BackfillName, ctx: Context) -> None:
        """Go on for a while. One that is not over waits in line again, with how far it came."""
        files = {one.name: one.text for one in load(folder) if one.phase == "backfill"}
        if key not in files:
            raise Waiting(f"this worker's code does not know {key}: it is done by a newer one", retry_after=minutes(1))
        pool = ctx.attempt.pool
        try:
            async with pool.acquire() as connection:
                finished = await run(connection, key, files[key], seconds=work_s)
        except DATABASE_ERRORS as error:
            if getattr(error, "sqlstate", "") and error.sqlstate[:2] in ("42", "22", "23"):  # type: ignore[union-attr]
                raise Permanent(f"{key}: {error}", code="backfill_failed") from error
            raise Transient(f"{key}: {error}") from error
        if not finished:
            rows = next((one.rows for one in await list_backfills(pool) if one.name == key), 0)
            raise Waiting(f"{rows:,} rows are done, more are to come", retry_after=timedelta(0))

    return backfill


backfill = declare()
