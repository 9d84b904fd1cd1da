"""Editions and jobs of the old tables, ``user_weekly_stock_picks`` and ``weekly_picks_jobs``.

The old status update wiped what it moved, so that there are rows that say `complete` and hold nothing. Such a row is
read again from its raw answer where that is left; else it is reported and left out. Nothing is guessed, and nothing
that is here already is replaced: importing twice is importing once.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any

import asyncpg
from pydantic import ValidationError

from openbell.people import find_by_address
from openbell.products.picks import parse
from openbell.products.picks.checks import good_citations
from openbell.products.picks.content import Content, Made, Stored
from openbell.products.picks.database import SQL
from openbell.products.picks.editions import EditionKey
from openbell.products.picks.store import publish
from openbell.products.picks.words import Kind, Reason

CATEGORIES = ("growth", "value", "income", "defensive", "innovation", "macro", "other")
RISKS = {"low": "low", "medium": "medium", "moderate": "medium", "high": "high"}
MOST_ROWS = 200_000
UNKNOWN = "not stored"


@dataclass(frozen=True, slots=True)
class Damaged:
    """A row that was left out, by its place in the file, and why."""

    row: int
    user: str
    week: str
    why: str


@dataclass(slots=True)
class Report:
    """What an import has done."""

    editions: int = 0
    there_already: int = 0
    read_again: int = 0
    jobs: int = 0
    damaged: list[Damaged] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        rows = [{"row": one.row, "user": one.user, "week": one.week, "why": one.why} for one in self.damaged]
        counts = {"editions": self.editions, "there_already": self.there_already, "read_again": self.read_again}
        return counts | {"jobs": self.jobs, "damaged": rows}


class Unusable(ValueError):
    """The row cannot be taken over; the text says why."""


def rows_of(text: str, *, is_csv: bool) -> list[dict[str, Any]]:
    """The rows of a file: a JSON list, JSON lines, or CSV with JSON in its cells. Raises ``ValueError``."""
    if is_csv:
        return [
            {name: _cell(value) for name, value in row.items() if name} for row in csv.DictReader(io.StringIO(text))
        ]
    try:
        value = json.loads(text)
    except ValueError:
        value = [json.loads(line) for line in text.splitlines() if line.strip()]
    found = value if isinstance(value, list) else [value]
    if len(found) > MOST_ROWS or not all(isinstance(one, dict) for one in found):
        raise ValueError(f"a file holds a list of at most {MOST_ROWS:,} rows, each an object")
    return found


async def import_rows(
    pool: asyncpg.Pool, rows: Sequence[Mapping[str, Any]], people: Mapping[str, str] | None = None
) -> Report:
    """Take over rows of either table. ``people`` is by old user id the address of the person here."""
    report = Report()
    for place, row in enumerate(rows, 1):
        user, week = str(row.get("user_id") or ""), str(row.get("week_of") or "")[:10]
        try:
            await _take(pool, row, people or {}, report)
        except Unusable as error:
            report.damaged.append(Damaged(place, user, week, str(error)))
    return report


async def _take(pool: asyncpg.Pool, row: Mapping[str, Any], people: Mapping[str, str], report: Report) -> None:
    key = await _key(pool, row, people)
    if "stock_picks" not in row:
        report.jobs += await _take_job(pool, key, row)
        return
    stored, again = stored_of(row)
    made_at = _time(row.get("generated_at") or row.get("updated_at") or row.get("created_at"))
    made = Made(
        provider="imported", model=row.get("model"), at=made_at, repairs=["read again from the raw answer"] * again
    )
    async with pool.acquire() as conn, conn.transaction():
        columns = (key, key.person_id, key.week, Reason.NEW_WEEK.value, "complete", None, None)
        await conn.execute(SQL.get("import_slot"), *columns)
        new = await publish(conn, key, Kind.IMPORTED, stored, made)
    report.editions += new
    report.there_already += not new
    report.read_again += new and again


async def _take_job(pool: asyncpg.Pool, key: EditionKey, row: Mapping[str, Any]) -> bool:
    """A job that had not ended is kept as a failure that can be tried again by hand: importing must not spend money."""
    reason = str(row.get("reason") or Reason.NEW_WEEK)
    if reason not in set(Reason):
        raise Unusable(f"the reason {reason[:40]!r} is none")
    said = (
        f"imported: {row.get('attempts') or 0} attempts were made, the last said {row.get('last_error') or 'nothing'}"
    )
    columns = (key, key.person_id, key.week, reason, "error", "not_finished", said[:500])
    return await pool.fetchval(SQL.get("import_slot"), *columns) is not None


async def _key(pool: asyncpg.Pool, row: Mapping[str, Any], people: Mapping[str, str]) -> EditionKey:
    user = str(row.get("user_id") or "")
    address = row.get("email") or people.get(user)
    person = await find_by_address(pool, str(address)) if address else None
    if person is None:
        raise Unusable("unknown_user: nobody here has this user's address")
    try:
        week = date.fromisoformat(str(row.get("week_of"))[:10])
        return EditionKey.of(person.id, week)
    except ValueError as error:
        raise Unusable(f"wrong_week: {error}") from None


def stored_of(row: Mapping[str, Any]) -> tuple[Stored, bool]:
    """The edition of a row, and whether it had to be read again from the raw answer. Raises :class:`Unusable`."""
    picks, themes = _list(row.get("stock_picks")), _list(row.get("investment_themes"))
    raw, again = row.get("raw_response"), False
    if not picks and not themes:
        again = True
        picks, themes, analysis = _from_raw(raw, str(row.get("status") or "no status"))
    else:
        analysis = row.get("market_analysis")
    try:
        content = Content.model_validate(
            {
                "picks": [_pick(one) for one in picks],
                "themes": [_theme(one) for one in themes],
                "market_analysis": analysis,
            }
        )
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise Unusable(f"wrong_shape: {'.'.join(map(str, first['loc']))}: {first['msg']}") from None
    return Stored(content=content, citations=_citations(row.get("citations"))), again


def _from_raw(raw: Any, status: str) -> tuple[list[Any], list[Any], Any]:
    text = raw if isinstance(raw, str) else json.dumps(raw) if raw else ""
    for names in (("stock_picks", "investment_themes"), ("picks", "themes")):
        found = parse.find(text, frozenset((*names, "market_analysis")))
        if found is not None:
            return _list(found[names[0]]), _list(found[names[1]]), found["market_analysis"]
    raise Unusable(f"wiped: it says {status} and holds no picks, and no raw answer from which to read them")


def _pick(one: Any) -> Any:
    if not isinstance(one, Mapping):
        return one
    risk = RISKS.get(str(one.get("risk_level") or "").lower(), one.get("risk_level"))
    return {**one, "exchange": one.get("exchange") or UNKNOWN, "risk_level": risk}


def _theme(one: Any) -> Any:
    if not isinstance(one, Mapping):
        return one
    said = str(one.get("theme_category") or one.get("category") or "").lower()
    category = said if said in CATEGORIES else "other"
    return {**one, "tickers": one.get("relevant_tickers") or one.get("tickers"), "category": category}


def _citations(given: Any) -> Any:
    found: Iterable[Any] = _list(given)
    told = [one if isinstance(one, Mapping) else {"url": one} for one in found if isinstance(one, str | Mapping)]
    return good_citations([(None, str(one.get("url") or ""), str(one.get("title") or ""), None) for one in told])


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _cell(value: Any) -> Any:
    if not isinstance(value, str) or not value.strip():
        return None
    try:
        return json.loads(value) if value[0] in "[{" else value
    except ValueError:
        return value


def _time(value: Any) -> datetime | None:
    try:
        found = datetime.fromisoformat(str(value).replace("Z", "+00:00"))
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)
