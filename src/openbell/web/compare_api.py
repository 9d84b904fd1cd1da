"""The premium comparison for programs, and the warm-up that outside schedulers may ask for.

`GET /api/comparison/premium?slug=amazon-vs-costco&tf=12m&geo=` reads what is stored. It computes nothing, calls nobody
and queues nothing: `needsWarmup` and `demand` say what to do, and who watches or demands the comparison has it made.
"""

from __future__ import annotations

import hmac
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, Field
from pydantic_core import to_json

from openbell.engine.artifacts import Reading, read
from openbell.engine.enqueue import enqueue
from openbell.products.forecast.evaluate import accuracy
from openbell.products.forecast.keys import DEFAULT_FRAME, Pair, pair_of, pair_of_slug
from openbell.products.forecast.premium import answer, available, note_of, status_of, within_limit
from openbell.web import own_series
from openbell.web.api import database, registry
from openbell.web.errors import Malformed, TooMany, WebError
from openbell.web.protection import safe
from openbell.web.reads import cache_control, is_same
from openbell.web.schemas import Problem
from openbell.web.sign_in import person_of

router = APIRouter(responses={400: {"model": Problem}, 429: {"model": Problem}, 503: {"model": Problem}})

GUESTS_TIMES = 3
"""An address may stand for several people: it may ask so many times as often as one person."""
HEADER = "x-warmup-secret"
WARM_S = 600.0


class WarmupRefused(WebError):
    """The secret is not the one that was set."""

    status, code = 401, "warmup_refused"


class WarmupClosed(WebError):
    """No secret is set, so nobody may call this."""

    status, code = 503, "warmup_closed"


class Warmup(BaseModel):
    """What to warm; without a slug the popular pairs."""

    slug: str | None = Field(None, max_length=200)
    tf: str = DEFAULT_FRAME
    geo: str = Field("", max_length=10)


def asked_pair(slug: str, tf: str, geo: str) -> Pair:
    """The pair of a request. Raises Malformed with what to write instead."""
    try:
        return pair_of_slug(slug, tf, geo)
    except ValueError as error:
        raise Malformed(
            f"That is no comparison: {error}.",
            code="malformed_pair",
            todo="Write slug=amazon-vs-costco, tf=3m, 12m or 5y, and a region such as US or nothing.",
        ) from None


async def visible_pair(request: Request, slug: str, tf: str, geo: str) -> Pair:
    """The pair of a page. Raises Malformed, and NotHere for one that is made of somebody else's series."""
    pair = asked_pair(slug, tf, geo)
    await own_series.check(request, [("comparison", pair.key)])
    return pair


@router.get(
    "/api/comparison/premium",
    responses={304: {"description": "not changed since the ETag"}},
    dependencies=[safe("everybody")],
)
async def premium(
    request: Request,
    slug: Annotated[
        str, Query(max_length=200, description="two terms: amazon-vs-costco; A-vs-B and B-vs-A are one")
    ] = "",
    tf: Annotated[str, Query(max_length=5, description="3m, 12m or 5y")] = DEFAULT_FRAME,
    geo: Annotated[str, Query(max_length=10, description="a region such as US; empty is the world")] = "",
    term_a: Annotated[str, Query(alias="termA", max_length=100)] = "",
    term_b: Annotated[str, Query(alias="termB", max_length=100)] = "",
) -> Response:
    """What is known of a comparison: status, both forecasts and the gap with their bands, insights and freshness."""
    pair = asked_pair(slug, tf, geo) if slug else asked_terms(term_a, term_b, tf, geo)
    await own_series.check(request, [("comparison", pair.key)])
    person = await person_of(request)
    await check_rate(request, person.subject if person else "")
    reading = await database(request).read("comparison", pair.key)
    async with database(request).use() as db:
        measured = await accuracy(db, pair.frame.step)
    debug = request.app.state.config.debug_api_headers
    note = note_of(await note_reading(request, reading))
    body = answer(pair, reading, measured, debug=debug, note=note)
    body["isPremium"] = person is not None and (person.is_admin or person.plan != "free")
    headers = freshness_headers(reading, measured, note)
    if is_same(headers["ETag"], request.headers.get("if-none-match", "")):
        return Response(status_code=304, headers=headers)
    return Response(to_json(body), media_type="application/json", headers=headers)


def asked_terms(a: str, b: str, tf: str, geo: str) -> Pair:
    """The pair of two terms in the address. Raises Malformed."""
    try:
        return pair_of(a, b, tf, geo)
    except ValueError as error:
        raise Malformed(f"That is no comparison: {error}.", code="malformed_pair") from None


async def check_rate(request: Request, subject: str) -> None:
    """Raises TooMany beyond the calls of a minute, counted over all processes."""
    most = request.app.state.config.premium_per_minute
    who = subject or f"address {request.client.host if request.client else 'unknown'}"
    async with database(request).use() as db:
        if not await within_limit(db, who, most if subject else GUESTS_TIMES * most):
            raise TooMany("You have asked for comparisons too often in this minute.", todo="Try again in a minute.")


async def note_reading(request: Request, reading: Reading) -> Reading | None:
    """What is known of the note on what is shown; None where nothing is shown."""
    if not available(reading):
        return None
    return await database(request).read("comparison-note", reading.value["forecast_key"])


def freshness_headers(reading: Reading, measured: Any, note: Any = None) -> dict[str, str]:
    """Tag, times and state, of a 200 and a 304 alike."""
    mark = f"{reading.etag}{measured['points'] if measured else ''}{'n' if note else ''}"
    headers = {"ETag": f'W/"{mark}"', "Cache-Control": cache_control(reading), "X-Data-State": reading.state}
    if reading.age_s is not None:
        headers["Age"] = str(int(reading.age_s))
    return headers


@router.post(
    "/api/jobs/run-warmup", status_code=202, responses={401: {"model": Problem}}, dependencies=[safe("secret")]
)
async def run_warmup(request: Request, wish: Warmup | None = None) -> dict[str, Any]:
    """Have one pair warmed, or the popular ones. Needs the header X-Warmup-Secret; closed where none is set."""
    secret = request.app.state.config.warmup_secret
    if not secret:
        raise WarmupClosed("No warm-up secret is set here, so nobody may run the warm-up.", todo="Set WARMUP_SECRET.")
    shown = request.headers.get(HEADER, "")
    if not hmac.compare_digest(shown.encode(), secret.encode()):
        raise WarmupRefused("The warm-up secret is not the right one.", todo="Send it as X-Warmup-Secret.")
    if wish is None or not wish.slug:
        task = registry(request).get("forecast-warmup")
        async with database(request).use() as db:
            [job] = await enqueue(db, task, [("GLOBAL", None)])
        return {"warmed": "popular", "job": job.id, "queued": job.created}
    pair = asked_pair(wish.slug, wish.tf, wish.geo)
    await database(request).want([("comparison", pair.key)], source="run-warmup", seconds=WARM_S)
    async with database(request).use() as db:
        reading = await read(db, "comparison", pair.key)
    return {"warmed": pair.slug, "job": reading.job and reading.job.id, "warmupStatus": status_of(reading)}
