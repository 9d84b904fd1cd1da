"""What programs are told of a comparison: status, both forecasts, what they rest on. Reads only; computes nothing."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Literal

from openbell.engine.artifacts import Reading
from openbell.engine.database import Db
from openbell.products.forecast.database import SQL
from openbell.products.forecast.keys import Pair
from openbell.products.forecast.wording import chance_words, day_words, names_of, together_words

PACK_VERSION = 1
SERVED = ("fresh", "stale")
Status = Literal["none", "queued", "running", "ready", "failed"]


def status_of(reading: Reading) -> Status:
    """One of five words (FC-6). `ready` is a comparison that is served and that nobody is making anew."""
    if reading.job is not None and reading.job.state == "running":
        return "running"
    if reading.job is not None:
        return "queued"
    if reading.state == "fresh":
        return "ready"
    if reading.setback is not None:
        return "failed"
    return "ready" if reading.state in SERVED else "none"


def available(reading: Reading) -> bool:
    """Both forecasts are there and not older than seven days (FC-7, FC-10)."""
    return reading.state in SERVED and reading.value is not None


def needs_warmup(reading: Reading) -> bool:
    """Somebody should demand it: it is not fresh, and nothing is under way."""
    return reading.state != "fresh" and reading.job is None


def note_of(reading: Reading | None) -> dict[str, Any] | None:
    """What `aiInsights` is: the kept sentences, and whose they are; None where there are none."""
    if reading is None or reading.state not in SERVED or not reading.value or not reading.value["text"]:
        return None
    value = reading.value
    return {
        "text": value["text"],
        "writtenBy": "a language model, from the figures here; each figure was checked against them",
        "model": value["model"],
        "prompt": value["prompt"],
        "droppedSentences": value["dropped"],
        "synthetic": bool(reading.provenance and reading.provenance.get("synthetic")),
    }


def answer(
    pair: Pair,
    reading: Reading,
    accuracy: Mapping[str, Any] | None,
    *,
    debug: bool,
    note: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """The body of `GET /api/comparison/premium`."""
    value = reading.value if available(reading) else None
    body: dict[str, Any] = {
        "slug": pair.slug,
        "timeframe": pair.tf,
        "geo": pair.geo,
        "cached": value is not None,
        "forecastAvailable": value is not None,
        "warmupStatus": status_of(reading),
        "warmupTriggered": False,
        "needsWarmup": needs_warmup(reading),
        "reason": reading.reason,
        "demand": {
            "method": "POST",
            "path": "/api/v1/demand",
            "body": {"items": [{"product": "comparison", "key": pair.key}]},
        },
        "insightsPack": pack(pair, reading, value, accuracy) | {"aiInsights": note} if value else None,
    }
    if debug:
        body["debug"] = debug_of(pair, reading)
    return body


def pack(pair: Pair, reading: Reading, value: Mapping[str, Any], accuracy: Mapping[str, Any] | None) -> dict[str, Any]:
    """The insights of a comparison that is served. Absent is null, never a number in the middle (FC-25)."""
    forecast = value["forecast"]
    return {
        "version": PACK_VERSION,
        "slug": pair.slug,
        "terms": [pair.a, pair.b],
        "timeframe": pair.tf,
        "geo": pair.geo,
        "signals": {
            "leader": value["leader"],
            "correlation": value["correlation"],
            "seasonality": value["rhythms"],
            "expectedMargin": value["expected_margin"],
            "leadChangeRisk": value["lead_change_risk"],
            "leadChangeRiskError": value["risk_error"],
        },
        "interpretations": sentences(value),
        "decisionGuidance": None,
        "forecasts": {"termA": forecast["a"], "termB": forecast["b"], "gap": forecast["gap"]},
        "series": {
            "days": value["days"],
            "termA": value["scores_a"],
            "termB": value["scores_b"],
            "gaps": value["gaps"],
        },
        "peaks": value["peaks"],
        "sources": value["sources"],
        "accuracy": accuracy,
        "hashes": {"data": value["data_hash"], "engine": forecast["engine"], "forecastKey": value["forecast_key"]},
        "dataFreshness": {
            "state": reading.state,
            "checkedAt": _iso(reading.checked_at),
            "freshUntil": _iso(reading.fresh_until),
            "staleUntil": _iso(reading.stale_until),
            "ageSeconds": None if reading.age_s is None else round(reading.age_s),
            "lastDay": forecast["last_day"],
        },
    }


def sentences(value: Mapping[str, Any]) -> list[str]:
    """What the figures say, in words; only of figures that are there."""
    leader, risk, names = value["leader"], value["lead_change_risk"], names_of(value)
    step = "days" if value["step"] == "D" else "weeks"
    said = []
    if leader["term"]:
        said.append(
            f"{names[leader['term']]} leads by {leader['margin']:.1f} points, without a break for {leader['steps']} "
            f"{step if leader['steps'] != 1 else step[:-1]}, since {day_words(leader['since'])}."
        )
    elif leader["since"]:
        said.append("The two are level.")
    margin = value["expected_margin"]
    if margin:
        ahead, steps = names[value["a"] if margin > 0 else value["b"]], len(value["forecast"]["gap"]["points"])
        said.append(
            f"Over the coming {steps} {step} {ahead} is expected to be ahead by {abs(margin):.1f} points on average."
        )
    if risk is not None:
        chance = chance_words(risk, value["risk_error"])
        said.append(f"The chance that the lead has changed by the end of that is {chance}.")
    said += [f"{names[one['term']]}: {one['words']}." for one in value["rhythms"]]
    if value["correlation"] is not None:
        said.append(together_words(value["correlation"]))
    return said


def debug_of(pair: Pair, reading: Reading) -> dict[str, Any]:
    """What helps to find out why; only where an operator has switched it on."""
    value = reading.value or {}
    key = value.get("forecast_key")
    return {
        "warmupDebugId": debug_id(pair, reading),
        "lastWarmupError": reading.setback and {"code": reading.setback.code, "message": reading.setback.message},
        "attempts": reading.job.attempt if reading.job else 0,
        "queuedAt": _iso(reading.job.queued_at) if reading.job else None,
        "forecastCacheKeysUsed": {"comparison": pair.key, "termAKey": key, "termBKey": key},
    }


def debug_id(pair: Pair, reading: Reading) -> str:
    """A name for the work on this comparison: its job while there is one, else what it last came to."""
    if reading.job is not None:
        return f"job-{reading.job.id}"
    when = reading.setback.at if reading.setback else reading.checked_at
    return hashlib.sha256(f"{pair.key} {when}".encode()).hexdigest()[:12]


async def within_limit(db: Db, who: str, most: int) -> bool:
    """Whether somebody may ask once more in this minute, counted over all processes (FC-27)."""
    name = hashlib.sha256(who.encode()).hexdigest()[:32]
    return int(await db.fetchval(SQL.get("add_knock"), name)) <= most


def until_next_minute(now: datetime) -> int:
    """Seconds until the limit begins anew."""
    return max(1, 60 - (now + timedelta(microseconds=1)).second)


def _iso(time: datetime | None) -> str | None:
    return None if time is None else time.isoformat()
