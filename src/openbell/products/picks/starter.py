"""What an operator may ask for once on a fresh instance: figures of some companies, and an edition of them.

Nothing is asked for unless the operator says so. Of each company three data types are demanded, at one call each; what
is fresh already is not asked for again. Once all have come or failed, the edition of figures is made from them.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any

from openbell.engine.artifacts import read, read_many
from openbell.engine.database import SQL as ENGINE
from openbell.engine.database import Db
from openbell.engine.enqueue import enqueue
from openbell.engine.errors import Permanent
from openbell.engine.registry import Product
from openbell.products.context import Context
from openbell.products.picks.content import Made
from openbell.products.picks.database import SQL
from openbell.products.picks.editions import FIGURES, EditionKey
from openbell.products.picks.plain import LEAST_COMPANIES, TooLittle, edition
from openbell.products.picks.store import current_week, publish, read_facts
from openbell.products.picks.words import Kind

STARTER_TASK, STARTER_KEY = "picks-starter", "GLOBAL"
TYPES = ("profile", "eod-prices", "ratios-ttm")
USUAL, MOST = 16, 24
"""Companies that are asked for unless the operator says otherwise; some may bring nothing, and 12 are needed."""

REAL = (
    "AAPL", "JPM", "JNJ", "XOM", "WMT", "DIS", "BA", "MSFT", "BAC", "PFE", "CVX", "KO", "VZ", "GE", "NKE", "TGT",
    "NVDA", "V", "COST", "T", "INTC", "CSCO", "GOOGL", "AMZN",
)  # fmt: skip
"""Well-known companies of several sectors; the first is asked for alone, and tells in which world we are."""
SYNTHETIC = ("AAPL", "MSFT", "IBM", "GOOG", *(f"SYN{n:03}" for n in range(1, 21)))
"""Those of the sandbox."""


@dataclass(frozen=True, slots=True)
class Offer:
    """What asking would come to: companies, calls at most, whether it is under way, and whether it is needed at all."""

    week: date
    companies: int
    calls: int
    is_there: bool
    job_id: int | None
    said: str | None
    failed: str | None
    """Why the last one came to nothing."""

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        return {
            "week": str(self.week), "companies": self.companies, "calls": self.calls, "is_there": self.is_there,
            "job_id": self.job_id, "progress": self.said, "failed": self.failed,
        }  # fmt: skip


async def offer(db: Db, companies: int = USUAL) -> Offer:
    """What there is to ask for. Reads only."""
    week = await current_week(db)
    row = await db.fetchrow(SQL.get("read_starter"), EditionKey.of(FIGURES, week), STARTER_TASK)
    assert row is not None
    readings = await read_many(db, _keys(await _symbols(db, companies)))
    calls = sum(one.state not in ("fresh", "fallback", "empty") for one in readings)
    return Offer(week, companies, calls, row["is_there"], row["job_id"], row["said"], row["failed"])


async def ask(db: Db, task: Product, companies: int, *, actor: str) -> int | None:
    """Queue it, within the caller's transaction; audited. None when there is an edition of figures already.

    Asked for again while it is under way, it is the same job. Raises ``ValueError`` for too few or too many companies.
    """
    if not LEAST_COMPANIES <= companies <= MOST:
        raise ValueError(f"{LEAST_COMPANIES} to {MOST} companies can be asked for, not {companies}")
    found = await offer(db, companies)
    if found.is_there:
        return None
    (job,) = await enqueue(db, task, [(STARTER_KEY, {"companies": companies})], job_class="interactive")
    if job.created:
        asked = {"calls": found.calls, "job": job.id}
        await db.execute(ENGINE.get("add_audit"), actor, "picks.starter", STARTER_KEY, asked)
    return job.id


async def run(ctx: Context) -> None:
    """Have the companies come, then make the edition of figures of the week that runs; free but for their calls."""
    attempt = ctx.attempt
    companies = (attempt.claim.args or {}).get("companies", USUAL)
    await _have(ctx, _keys(REAL[:1]))
    first = await read(attempt.pool, "profile", REAL[0])
    if first.value is None:
        why = first.setback.message if first.setback else "it has nothing on it"
        raise Permanent(f"The market data provider did not tell about {REAL[0]}: {why}", code="need_failed")
    symbols = await _symbols(attempt.pool, companies)
    await attempt.progress(f"asking for {len(symbols)} companies")
    await _have(ctx, _keys(symbols))
    pool, week = attempt.pool, await current_week(attempt.pool)
    await pool.execute(SQL.get("forget_facts"), week)
    try:
        stored = edition(await read_facts(pool, week))
    except TooLittle as error:
        raise Permanent(str(error), code="too_few_companies") from None
    made = Made(provider="none", at=attempt.claim.now)
    await publish(pool, EditionKey.of(FIGURES, week), Kind.FIGURES, stored, made)


async def _have(ctx: Context, keys: list[tuple[str, str]]) -> None:
    """Until each has come; what has failed, or has nothing, is done without."""
    readings = await read_many(ctx.attempt.pool, keys)
    missing = [(one.product, one.key) for one in readings if not one.settled]
    if missing:
        await ctx.attempt.artifacts(missing)


async def _symbols(db: Db, companies: int) -> tuple[str, ...]:
    first = await read(db, "profile", REAL[0])
    return (SYNTHETIC if first.synthetic else REAL)[:companies]


def _keys(symbols: tuple[str, ...]) -> list[tuple[str, str]]:
    return [(product, symbol) for symbol in symbols for product in TYPES]
