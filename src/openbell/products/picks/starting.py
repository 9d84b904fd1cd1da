"""So that the page lives without any paid edition: while a week has no edition of figures, its companies are asked for.

They are those of the starter file: profiles, daily prices and ratios, a few at a time in the background class, behind
what somebody waits for. Once all have been asked for, or the time is over, the edition is made of whatever is known.
"""

from __future__ import annotations

import csv
import io
from datetime import datetime, timedelta
from functools import cache

from openbell.engine.artifacts import read_many
from openbell.engine.demand import want
from openbell.engine.enqueue import enqueue
from openbell.engine.errors import Waiting
from openbell.engine.keys import Global
from openbell.engine.registry import minutes, task
from openbell.engine.schedules import schedule
from openbell.products.context import Context
from openbell.products.digest.reference import starter
from openbell.products.picks.editions import DEFAULT_ZONE, FIGURES, EditionKey
from openbell.products.picks.figures import scores
from openbell.products.picks.plain import LEAST_COMPANIES
from openbell.products.picks.reading import read_edition
from openbell.products.picks.store import current_week, known_facts
from openbell.products.picks.tasks import picks_figures

PARTS = ("profile", "eod-prices", "ratios-ttm")
AT_ONCE = 10
TIME_MAX = timedelta(minutes=10)
LOOK = timedelta(seconds=3)
SOURCE = "picks-start"


@cache
def tickers() -> tuple[str, ...]:
    """The companies of the starter file, in its order."""
    return tuple(row["ticker"] for row in csv.DictReader(io.StringIO(starter())))


@task("picks-start", version=1, key=Global, timeout=minutes(2), retry=minutes(2), patience=timedelta(hours=1))
async def picks_start(_: Global, ctx: Context) -> None:
    """Have the week's edition of figures made, if there is none, from what it takes to know a dozen companies."""
    db, attempt = ctx.attempt.pool, ctx.attempt

    async def now() -> str:
        return attempt.claim.now.isoformat()

    begun = datetime.fromisoformat(await attempt.step("begun", now))
    key = EditionKey.of(FIGURES, await current_week(db))
    if await read_edition(db, key) is not None:
        return
    companies = ctx.connections.picks.companies or tickers()
    readings = await read_many(db, [(part, ticker) for ticker in companies for part in PARTS])
    left = [(one.product, one.key) for one in readings if not one.settled]
    if left and attempt.claim.now < begun + TIME_MAX:
        await attempt.progress(f"{len(readings) - len(left)} of {len(readings)} known")
        await want(db, left[: AT_ONCE * len(PARTS)], source=SOURCE, seconds=120, job_class="background")
        raise Waiting(f"waiting for {len(left)} profiles, prices and ratios", retry_after=LOOK)
    if len(scores(await known_facts(db))) >= LEAST_COMPANIES:
        await enqueue(db, picks_figures, [(key, None)])


START = schedule(
    "picks-start",
    picks_start,
    "GLOBAL",
    cron="*/3 * * * *",
    zone=DEFAULT_ZONE,
    missed="skip",
    max_late=timedelta(minutes=2),
)
