"""The JSON door: what is known, what is wanted, what is being done. A GET never creates anything."""

from __future__ import annotations

import logging
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import StreamingResponse

from openbell.engine import jobs
from openbell.engine.artifacts import Reading
from openbell.engine.errors import UnknownJob
from openbell.engine.inquiry import inquire
from openbell.engine.registry import Product, Registry, list_products
from openbell.web import licence, own_series
from openbell.web.backend import Database
from openbell.web.errors import Malformed, NotHere
from openbell.web.protection import safe
from openbell.web.reads import is_same
from openbell.web.schemas import (
    Artifact,
    Cancelled,
    Demand,
    DemandTaken,
    Explained,
    Problem,
    ProductList,
    Retried,
    Wanted,
)
from openbell.web.stream import FOR_ALL, KEYS_MAX, EventStream, Hub, Subscriber, check_room
from openbell.web.tables import table_of

log = logging.getLogger(__name__)

router = APIRouter(
    dependencies=[safe("everybody")],
    prefix="/api/v1",
    responses={400: {"model": Problem}, 404: {"model": Problem}, 503: {"model": Problem}},
)


def database(request: Request) -> Database:
    """The database of this process."""
    found: Database = request.app.state.database
    return found


def registry(request: Request) -> Registry:
    """The products that this process knows."""
    found: Registry = request.app.state.config.registry
    return found


@router.get("/products", response_model=ProductList)
async def products(request: Request) -> dict[str, Any]:
    """The products: the policy in force for each, what its keys look like, and the columns of those with rows."""
    async with database(request).use() as db:
        rows = await list_products(db)
    return {"products": [row.as_json() | declared(registry(request).products.get(row.name)) for row in rows]}


def declared(product: Product | None) -> dict[str, Any]:
    """What only the code knows of a product; nulls for one that is in the database alone."""
    table = table_of(product.model) if product else None
    return {"key": product and product.key.shape, "table": table and table.as_json()}


@router.get("/artifacts/{product}/{key:path}/why", response_model=Explained)
async def why(request: Request, product: str, key: str) -> dict[str, Any]:
    """Why a key is not running or not fresh: each gate in its way with its numbers, and the expected start."""
    if (known := registry(request).products.get(product)) is not None:
        await own_series.check(request, [(product, known.parse_key(key))])
    async with database(request).use() as db:
        return (await inquire(db, registry(request), product, key)).as_json()


@router.get(
    "/artifacts/{product}/{key:path}",
    response_model=Artifact,
    responses={304: {"description": "not changed since the ETag"}},
)
async def artifact(request: Request, product: str, key: str) -> Response:
    """What is known of one key, from the database alone. Ask for more with POST /api/v1/demand."""
    # Hits have been answered before they came here, by openbell.web.reads; this says what they are, and what is wrong.
    canonical = registry(request).artifact(product).parse_key(key)
    await own_series.check(request, [(product, canonical)])
    answer = await database(request).answer(product, canonical)
    reading = answer.reading
    await licence.check(request, reading)
    if reading.state == "missing":
        raise NotHere(
            f"There is no {product} of {canonical} yet. {reading.reason}",
            code="artifact_missing",
            todo="POST /api/v1/demand with this product and key, or watch it on /api/v1/stream.",
        )
    if is_same(answer.etag, request.headers.get("if-none-match", "")):
        return Response(status_code=304, headers=answer.headers)
    return Response(answer.body, media_type="application/json", headers=answer.headers)


@router.post("/demand", status_code=202, response_model=DemandTaken, responses={413: {"model": Problem}})
async def demand(request: Request, wish: Demand) -> dict[str, Any]:
    """Want keys for some seconds. What is not fresh is queued at once, unless it is already.

    The answer says where each stands.
    """
    keys = [(item.product, registry(request).artifact(item.product).parse_key(item.key)) for item in wish.items]
    await own_series.check(request, keys)
    source = f"api:{request.client.host if request.client else 'unknown'}"
    await database(request).want(keys, source=source, seconds=wish.seconds)
    readings = await database(request).read_some(keys)
    return {"items": [wanted(reading) for reading in readings], "seconds": wish.seconds}


def wanted(reading: Reading) -> Wanted:
    """Where a wanted key stands."""
    return Wanted(
        product=reading.product,
        key=reading.key,
        state=reading.state,
        version=reading.version,
        reason=reading.reason,
        job=reading.job.id if reading.job else None,
    )


@router.get(
    "/stream",
    response_class=StreamingResponse,
    responses={200: {"content": {"text/event-stream": {}}, "description": "the state of each key, then every change"}},
)
async def stream(
    request: Request,
    watch: Annotated[list[str], Query(description="product:key, once for each key", max_length=KEYS_MAX)],
    form: Annotated[str, Query(alias="as", pattern="^(json|row|card)$", description="json, or our HTML")] = "json",
) -> EventStream:
    """Server-sent events. The open stream is the demand for its keys: it ends, the demand ends.

    An `artifact` event carries the JSON of a read; a `fragment` event carries `{key, version, html}`. Only the newest
    state of each key is sent, so a slow reader misses states in between and never the last one.
    """
    keys = list(dict.fromkeys(parse_watch(registry(request), text) for text in watch))
    await own_series.check(request, keys)
    hub: Hub = request.app.state.hub
    check_room(hub)
    sees_all = await licence.is_operator(request)
    await hub.watch(keys)
    subscriber = Subscriber(keys, form, licence.proof(request)) if sees_all else Subscriber(keys, f"{form}{FOR_ALL}")
    return EventStream(hub, subscriber, request.app.state.stopping)


def parse_watch(registry: Registry, text: str) -> tuple[str, str]:
    """`quote:aapl` -> ("quote", "AAPL"). Raises UnknownProduct, KeepsNoResult, InvalidKey, Malformed."""
    product, colon, key = text.partition(":")
    if not colon:
        raise Malformed(
            f"{text[:80]!r} names no key to watch.",
            code="malformed_watch",
            todo="Write product:key, such as quote:AAPL.",
        )
    return product, registry.artifact(product).parse_key(key)


@router.get("/jobs/{job_id}", response_model=dict[str, Any])
async def job(request: Request, job_id: int) -> dict[str, Any]:
    """One job, live or ended, with its attempts and the calls it made."""
    async with database(request).use() as db:
        found = await jobs.get(db, in_range(job_id))
    if found is None:
        raise UnknownJob(job_id)
    return found.as_json()


async def operator(request: Request) -> str:
    """Who acts, for the audit log. Raises what :func:`openbell.web.sign_in.admin` does for who may not."""
    from openbell.web.sign_in import actor, admin  # noqa: PLC0415 - it stands on this module

    person = await admin(request)
    return actor(person) if person.id else f"api:{request.client.host if request.client else 'unknown'}"


Operator = Annotated[str, Depends(operator)]
REFUSALS: dict[int | str, dict[str, Any]] = {401: {"model": Problem}, 403: {"model": Problem}}


@router.post("/jobs/{job_id}/cancel", response_model=Cancelled, responses=REFUSALS, dependencies=[safe("admin")])
async def cancel(request: Request, job_id: int, actor: Operator) -> dict[str, Any]:
    """End a live job: at once while it waits, at its next boundary while it runs. For operators; audited."""
    async with database(request).use() as db:
        return {"id": job_id, "state": await jobs.cancel(db, in_range(job_id), actor=actor)}


@router.post(
    "/jobs/{job_id}/retry", status_code=202, response_model=Retried, responses=REFUSALS, dependencies=[safe("admin")]
)
async def retry(request: Request, job_id: int, actor: Operator) -> dict[str, Any]:
    """Queue a job again, forgetting its key's last failure; the answer names the live job. For operators; audited."""
    async with database(request).use() as db:
        return {"id": job_id, "live": await jobs.retry(db, in_range(job_id), actor=actor)}


def in_range(job_id: int) -> int:
    """Ids are 8-byte numbers; anything else was never one."""
    if not 0 < job_id < 2**63:
        raise UnknownJob(job_id)
    return job_id
