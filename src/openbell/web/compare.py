"""The pages of comparisons. A GET shows what is stored; the page's open stream, or its form, is the demand (FC-1)."""

from __future__ import annotations

import csv
import io
from typing import Any
from urllib.parse import quote as url_quote

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from pydantic_core import to_json

from openbell.engine.artifacts import Reading, read, read_many
from openbell.products.forecast.evaluate import accuracy
from openbell.products.forecast.keys import DEFAULT_FRAME, FRAMES, MOST_TERM, Pair, pair_of
from openbell.products.forecast.note_rules import NoteRules
from openbell.products.forecast.notes import take
from openbell.products.forecast.premium import available, note_of
from openbell.products.forecast.saved import ALERTS, forget, list_saved, save
from openbell.products.forecast.suggest import suggest
from openbell.products.forecast.uploads import BadUpload, parse_csv, save_upload
from openbell.web import compare_views, fragments
from openbell.web.api import database
from openbell.web.compare_api import note_reading, visible_pair
from openbell.web.compare_picture import picture
from openbell.web.errors import NotHere, TooMany
from openbell.web.pages import page, stream_address
from openbell.web.protection import safe
from openbell.web.sign_in import person_of, signed_in

router = APIRouter(dependencies=[safe("everybody")], include_in_schema=False)

EXAMPLES = (("amazon", "costco"), ("netflix", "spotify"), ("coffee", "tea"), ("bitcoin", "gold"))
ASK_S = 60.0


@router.get("/compare")
async def compare_home(request: Request, a: str = "", b: str = "", tf: str = DEFAULT_FRAME) -> Response:
    """The form, and what somebody has saved; two terms in the address lead to their page."""
    if a.strip() and b.strip():
        try:
            return RedirectResponse(address(pair_of(a, b, tf)), 303)
        except ValueError as error:
            return await _home(request, a, b, tf, f"That is no comparison: {error}.", 400)
    return await _home(request, a, b, tf, "", 200)


async def _home(request: Request, a: str, b: str, tf: str, notice: str, status: int) -> Response:
    person = await person_of(request)
    saved: list[Any] = []
    if person is not None:
        async with database(request).use() as db:
            saved = await list_saved(db, person.id)
    return page(
        request,
        "compare_home.html",
        status,
        a=a[:60],
        b=b[:60],
        tf=tf if tf in FRAMES else DEFAULT_FRAME,
        notice=notice,
        frames=compare_views.FRAMES,
        examples=EXAMPLES,
        saved=saved,
        person=person,
    )


@router.post("/compare/suggest")
async def suggest_terms(request: Request) -> HTMLResponse:
    """The list under a term's field: what has been looked up before. Asks nobody, and keeps nothing."""
    text = str((await request.form()).get("q") or "")[:MOST_TERM]
    async with database(request).use() as db:
        found = await suggest(db, text)
    return HTMLResponse(fragments.terms(found), headers={"Cache-Control": "no-store"})


@router.post("/compare/series", dependencies=[safe("person")])
async def bring(request: Request) -> Response:
    """Keep a series of somebody's own, from lines of days and figures."""
    person = await signed_in(request)
    form = await request.form()
    name, text = " ".join(str(form.get("name", "")).lower().split()), str(form.get("lines", ""))
    try:
        points = parse_csv(text)
        async with database(request).use() as db:
            await save_upload(db, name, points, person_id=person.id)
    except BadUpload as error:
        return await _home(request, "", "", DEFAULT_FRAME, f"That series was not kept. {error}", 400)
    notice = f"{len(points):,} days are kept. Compare them as: csv {name}"
    return await _home(request, f"csv {name}", "", DEFAULT_FRAME, notice, 200)


def address(pair: Pair) -> str:
    """Where the page of a pair is."""
    region = f"&geo={url_quote(pair.geo)}" if pair.geo else ""
    return f"/compare/{url_quote(pair.slug, safe='')}?tf={pair.tf}{region}"


@router.get("/compare/{slug}")
async def compare_page(request: Request, slug: str, tf: str = DEFAULT_FRAME, geo: str = "") -> Response:
    """One comparison: series, fans, gap, head to head, what it says, how far to trust it."""
    pair = await visible_pair(request, slug, tf, geo)
    if slug != pair.slug:
        return RedirectResponse(address(pair), 308)
    person = await person_of(request)
    async with database(request).use() as db:
        [reading, *entities] = await read_many(db, [("comparison", pair.key), ("entity", pair.a), ("entity", pair.b)])
        measured = await accuracy(db, pair.frame.step)
        saved = await list_saved(db, person.id) if person else []
    note = await note_reading(request, reading)
    watched = [("comparison", pair.key)]
    if reading.value and available(reading):
        watched.append(("forecast", reading.value["forecast_key"]))
    return page(
        request,
        "compare.html",
        v=compare_views.view(reading, measured),
        choices=compare_views.choices(pair, entities),
        frames=compare_views.FRAMES,
        region=f"&geo={url_quote(pair.geo)}" if pair.geo else "",
        person=person,
        saved=next((one for one in saved if one.pair == pair), None),
        alerts=ALERTS,
        note=note_of(note),
        note_under_way=note is not None and note.job is not None,
        note_empty=note is not None and note.value is not None and note_of(note) is None,
        note_offered=bool(request.app.state.config.notes.model),
        stream=stream_address(watched, "card"),
    )


@router.post("/compare/{slug}/ask")
async def ask(request: Request, slug: str, tf: str = DEFAULT_FRAME, geo: str = "") -> Response:
    """Demand without a stream: the button of a page without JavaScript."""
    pair = await visible_pair(request, slug, tf, geo)
    await database(request).want([("comparison", pair.key)], source="form", seconds=ASK_S)
    return RedirectResponse(address(pair), 303)


NOTE_S = 120.0
REFUSED = {
    "person": "You have asked for as many notes as one person may have today. There will be more tomorrow.",
    "day": "Today's notes are used up. There will be more tomorrow.",
}


@router.post("/compare/{slug}/note", dependencies=[safe("person")])
async def ask_note(request: Request, slug: str, tf: str = DEFAULT_FRAME, geo: str = "") -> Response:
    """Have a model write a note on what is shown: counted first, and never twice for the same data (FC-26)."""
    person = await signed_in(request)
    pair, reading = await shown(request, slug, tf, geo)
    rules: NoteRules = request.app.state.config.notes
    if not rules.model:
        raise NotHere("Notes by a model are switched off here.", code="notes_off")
    key = reading.value["forecast_key"]
    async with database(request).use() as db:
        taken = await take(db, key, person.id, rules)
    if taken in REFUSED:
        raise TooMany(REFUSED[taken])
    if taken != "stored":
        await database(request).want([("comparison-note", key)], source="form", seconds=NOTE_S)
    return RedirectResponse(address(pair), 303)


@router.post("/compare/{slug}/save", dependencies=[safe("person")])
async def keep(request: Request, slug: str, tf: str = DEFAULT_FRAME, geo: str = "") -> Response:
    """Save a comparison, change its alert, or remove it."""
    person, pair = await signed_in(request), await visible_pair(request, slug, tf, geo)
    form = await request.form()
    alert = str(form.get("alert", "none"))
    threshold = str(form.get("threshold", "10"))
    async with database(request).use() as db:
        if form.get("remove"):
            await forget(db, person.id, pair)
        else:
            await save(
                db,
                person.id,
                pair,
                alert=alert if alert in ALERTS else "none",
                threshold=min(100, max(1, int(threshold))) if threshold.isascii() and threshold.isdigit() else 10,
            )
    return RedirectResponse(address(pair), 303)


async def shown(request: Request, slug: str, tf: str, geo: str) -> tuple[Pair, Reading]:
    """The stored comparison for an export. Raises NotHere while there is none to show."""
    pair = await visible_pair(request, slug, tf, geo)
    async with database(request).use() as db:
        reading = await read(db, "comparison", pair.key)
    if not available(reading):
        raise NotHere(f"There is no comparison of {pair.a} and {pair.b} to export yet.", code="artifact_missing")
    return pair, reading


def attached(pair: Pair, form: str) -> dict[str, str]:
    """The headers of a download."""
    name = "".join(sign if sign.isascii() and (sign.isalnum() or sign in "-") else "-" for sign in pair.slug)
    return {"Content-Disposition": f'attachment; filename="{name}-{pair.tf}.{form}"', "Cache-Control": "no-store"}


@router.get("/compare/{slug}/data.csv")
async def as_csv(request: Request, slug: str, tf: str = DEFAULT_FRAME, geo: str = "") -> Response:
    """History and forecast as rows: kind, day, both terms, gap, and the ends of the bands."""
    pair, reading = await shown(request, slug, tf, geo)
    value, forecast = reading.value, reading.value["forecast"]
    table = io.StringIO()
    writer = csv.writer(table)
    bands = [f"{part}_{end}" for part in ("a", "b", "gap") for end in ("lo80", "hi80", "lo95", "hi95")]
    writer.writerow(["kind", "day", _cell(pair.a), _cell(pair.b), "gap", *bands])
    for day, x, y in zip(value["days"], value["scores_a"], value["scores_b"], strict=True):
        gap = round(x - y, 4) if x is not None and y is not None else None
        writer.writerow(["history", day, x, y, gap, *[""] * len(bands)])
    parts = [forecast[name]["points"] for name in ("a", "b", "gap")]
    for points in zip(*parts, strict=True):
        ends = [point[end] for point in points for end in ("lo80", "hi80", "lo95", "hi95")]
        writer.writerow(["forecast", points[0]["day"], *(point["mean"] for point in points), *ends])
    return Response(table.getvalue(), media_type="text/csv", headers=attached(pair, "csv"))


def _cell(text: str) -> str:
    """A heading that no spreadsheet takes for a formula."""
    return f"'{text}" if text[:1] in "=+-@" else text


@router.get("/compare/{slug}/data.json")
async def as_json(request: Request, slug: str, tf: str = DEFAULT_FRAME, geo: str = "") -> Response:
    """All of it."""
    pair, reading = await shown(request, slug, tf, geo)
    return Response(to_json(reading.as_json()), media_type="application/json", headers=attached(pair, "json"))


@router.get("/compare/{slug}/chart.png")
async def as_png(request: Request, slug: str, tf: str = DEFAULT_FRAME, geo: str = "") -> Response:
    """The chart as an image."""
    pair, reading = await shown(request, slug, tf, geo)
    return Response(picture(reading.value), media_type="image/png", headers=attached(pair, "png"))
