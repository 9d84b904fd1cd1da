"""The comparison of a pair: what people ask for. It gathers both series, has them forecast, and reads what they tell.

Demand for a comparison is demand for all below it: entities, series, the forecast under the hash of their data. It
never publishes half: without both forecasts there is no comparison (FC-10). Which versions of its inputs it rests on is
kept in `forecast_input`, so that a newer one makes it stale (`age_comparisons`, FC-24).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any, Literal

from pydantic import BaseModel

from openbell.engine.errors import Transient
from openbell.engine.registry import Calls, days, hours, minutes, product, seconds
from openbell.products.context import Context
from openbell.products.forecast.database import SQL
from openbell.products.forecast.forecast import PairForecast
from openbell.products.forecast.gather import Inputs, gather
from openbell.products.forecast.insight import (
    Leader,
    News,
    Peak,
    Rhythm,
    correlation_of,
    leader_of,
    peaks_of,
    rhythm_of,
)
from openbell.products.forecast.keys import Pair, PairKey, forecast_key, hash_of
from openbell.products.forecast.sources import WEIGHTS, Gathered

NEWS_MAX = 3
AROUND = timedelta(days=2)


class SourceUsed(BaseModel):
    """A source of the score, its weight, or why it is missing."""

    source: str
    weight: float
    missing: str | None = None


class Comparison(BaseModel):
    """Two terms side by side on one score from 0 to 100, with the forecast of the same data, and its key."""

    pair: str
    slug: str
    a: str
    b: str
    tf: str
    geo: str
    step: Literal["D", "W"]
    kind: Literal["interest", "price"]
    days: list[date]
    scores_a: list[float | None]
    scores_b: list[float | None]
    titles: dict[str, str]
    sources: list[SourceUsed]
    data_hash: str
    forecast_key: str
    gaps: int
    leader: Leader
    peaks: list[Peak]
    rhythms: list[Rhythm]
    correlation: float | None
    expected_margin: float
    lead_change_risk: float | None
    risk_error: float | None
    forecast: PairForecast


@product(
    "comparison",
    key=PairKey,
    version=1,
    ttl=hours(24),
    stale=days(7),
    empty=hours(6),
    retry=minutes(5),
    keep=days(2),
    timeout=seconds(60),
    spends={"openbell": Calls(0)},
    licence="display",
    max_attempts=5,
)
async def comparison(key: PairKey, ctx: Context) -> Comparison:
    """Gather, have it forecast, and tell what the series say."""
    pair = key.pair
    await ctx.attempt.progress("gathering both series")
    pinned = await ctx.attempt.step(f"data of attempt {ctx.attempt.claim.attempt}", lambda: _pin(ctx, pair))
    await ctx.attempt.progress("forecasting both terms")
    found = PairForecast.model_validate(await ctx.attempt.artifact("forecast", pinned["key"]))
    gathered, _ = await gather(ctx.attempt, pair)
    data_hash = hash_of(pair, gathered.series)
    if data_hash != pinned["hash"]:
        raise Transient("The data has changed while it was forecast.", code="superseded")
    named, inputs = pinned["key"], {(product, one): version for product, one, version in pinned["inputs"]}
    await _keep_inputs(ctx, key, inputs)
    return await _told(ctx, gathered, found, data_hash, named)


async def _pin(ctx: Context, pair: Pair) -> dict[str, Any]:
    """The hash of the data as it is now and the versions that it is from; kept, so that waiting costs nothing more."""
    gathered, inputs = await gather(ctx.attempt, pair)
    data_hash = hash_of(pair, gathered.series)
    named = [[product, key, version] for (product, key), version in inputs.items()]
    return {"hash": data_hash, "key": forecast_key(pair, data_hash), "inputs": named}


async def _told(ctx: Context, gathered: Gathered, found: PairForecast, data_hash: str, named: str) -> Comparison:
    pair, frame, titles = gathered.pair, gathered.pair.frame, dict(gathered.titles)
    scores = gathered.scores(gathered.scale)
    every = gathered.days
    shown = every[-frame.shown :]
    a, b = scores[pair.a][-frame.shown :], scores[pair.b][-frame.shown :]
    peaks = peaks_of(pair.a, shown, a) + peaks_of(pair.b, shown, b)
    return Comparison(
        pair=pair.key,
        slug=pair.slug,
        a=pair.a,
        b=pair.b,
        tf=pair.tf,
        geo=pair.geo,
        step="D" if frame.step == "D" else "W",
        kind="price" if gathered.kind == "price" else "interest",
        days=shown,
        scores_a=a,
        scores_b=b,
        titles=titles,
        sources=_sources(gathered),
        data_hash=data_hash,
        forecast_key=named,
        gaps=sum(1 for one in (*a, *b) if one is None),
        leader=leader_of(pair.a, pair.b, shown, a, b),
        peaks=[peak.model_copy(update={"news": await _news(ctx, peak, titles)}) for peak in peaks],
        rhythms=[rhythm_of(term, every, scores[term], frame.season) for term in (pair.a, pair.b)],
        correlation=correlation_of(a, b),
        expected_margin=found.gap.expected_margin,
        lead_change_risk=found.gap.lead_change_risk,
        risk_error=found.gap.risk_error,
        forecast=found,
    )


def _sources(gathered: Gathered) -> list[SourceUsed]:
    total = sum(WEIGHTS[source] for source in gathered.series)
    used = [SourceUsed(source=source, weight=round(WEIGHTS[source] / total, 3)) for source in gathered.series]
    return used + [SourceUsed(source=one.source, weight=0.0, missing=one.reason) for one in gathered.missing]


async def _keep_inputs(ctx: Context, key: str, inputs: Inputs) -> None:
    products, keys = [product for product, _ in inputs], [one for _, one in inputs]
    await ctx.attempt.pool.execute(SQL.get("keep_inputs"), key, products, keys, list(inputs.values()))


async def _news(ctx: Context, peak: Peak, titles: dict[str, str]) -> Sequence[News]:
    """Stored articles that name the term in the days of a peak; nothing is fetched for it."""
    name = titles.get(peak.term, peak.term).split(" (")[0].removesuffix(" Inc.").rstrip(",")
    rows = await ctx.attempt.pool.fetch(
        SQL.get("find_reasons"), name, peak.day - AROUND, peak.day + timedelta(days=7) + AROUND, NEWS_MAX
    )
    return [News(title=r["title"], publisher=r["publisher"], address=r["address"], day=r["day"]) for r in rows]
