"""Warm-up of what people look at, by night; and the look for inputs that have become newer than what rests on them.

The warm-up is bounded in number (50 pairs), at once (5), in time (an hour) and in money (a dollar), and runs in the
background class, behind everything that somebody waits for. It demands; the engine makes. What is fresh costs nothing.
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

from openbell.engine.artifacts import read_many
from openbell.engine.demand import want
from openbell.engine.errors import Waiting
from openbell.engine.keys import Global
from openbell.engine.registry import CLASSES, minutes, seconds, task
from openbell.engine.schedules import schedule
from openbell.products.context import Context
from openbell.products.forecast.database import SQL

log = logging.getLogger(__name__)

PAIRS_MAX, AT_ONCE = 50, 5
TIME_MAX = timedelta(hours=1)
COST_MAX = 1_000_000
"""Micro-dollars, of everything that was spent in the background class since it began, held calls among it: what others
spend there counts too, so that it ends sooner and never later."""
LOOK = timedelta(seconds=15)
SOURCE = "forecast-warmup"


@task("forecast-warmup", version=1, key=Global, timeout=minutes(2), retry=minutes(5), patience=timedelta(hours=3))
async def forecast_warmup(_key: Global, ctx: Context) -> None:
    """Demand the popular pairs, five at a time, until all are settled, or the hour or the money is over."""
    db, now = ctx.attempt.pool, ctx.attempt.claim.now
    pairs = await ctx.attempt.step("pairs", lambda: _popular(ctx))
    begun = datetime.fromisoformat(await ctx.attempt.step("begun", lambda: _text(now)))
    readings = await read_many(db, [("comparison", pair) for pair in pairs])
    left = [one.key for one in readings if not one.settled]
    cost = await db.fetchval(SQL.get("sum_background"), begun, CLASSES["background"])
    if not left or now >= begun + TIME_MAX or cost >= COST_MAX:
        log.info("forecast.warmed pairs=%d left=%d cost_micro=%d", len(pairs), len(left), cost)
        return
    await ctx.attempt.progress(f"{len(pairs) - len(left)} of {len(pairs)} pairs")
    keys = [("comparison", pair) for pair in left[:AT_ONCE]]
    await want(db, keys, source=SOURCE, seconds=120, job_class="background")
    raise Waiting(f"waiting for {len(left)} pairs", retry_after=LOOK)


async def _popular(ctx: Context) -> list[str]:
    rows = await ctx.attempt.pool.fetch(SQL.get("list_popular"), PAIRS_MAX, CLASSES["interactive"])
    return [row["key"] for row in rows]


async def _text(moment: datetime) -> str:
    return moment.isoformat()


warmup_nightly = schedule(
    "forecast-warmup",
    forecast_warmup,
    "GLOBAL",
    cron="10 3 * * *",
    zone="UTC",
    missed="late",
    max_late=timedelta(hours=6),
)


@task("forecast-ageing", version=1, key=Global, timeout=seconds(30), retry=minutes(1), patience=minutes(10))
async def forecast_ageing(_key: Global, ctx: Context) -> None:
    """Make stale what rests on an input that has a newer version."""
    await ctx.attempt.pool.execute(SQL.get("prune_note_counts"), timedelta(days=2), 1_000)
    aged = await ctx.attempt.pool.fetch(SQL.get("age_comparisons"))
    if aged:
        log.info("forecast.aged comparisons=%d", len(aged))


ageing_often = schedule(
    "forecast-ageing",
    forecast_ageing,
    "GLOBAL",
    cron="*/5 * * * *",
    zone="UTC",
    missed="skip",
    max_late=timedelta(minutes=4),
)
