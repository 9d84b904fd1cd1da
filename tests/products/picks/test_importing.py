"""Rows of the old tables: taken over once, read again where they were wiped, reported where nothing is left."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

from openbell.people import find_by_address
from openbell.products.picks.importing import import_rows, rows_of
from openbell.products.picks.reading import look
from openbell.products.picks.words import Kind
from tests.products.picks.desk import Desk
from tests.products.picks.shapes import content

OLD = "2030-02-25"


def old_content() -> dict[str, Any]:
    """An edition in the words of the old table."""
    plain = content()
    for pick in plain["picks"]:
        del pick["exchange"]
    for theme in plain["themes"]:
        theme["relevant_tickers"] = theme.pop("tickers")
        theme["theme_category"] = theme.pop("category")
    return {
        "stock_picks": plain["picks"],
        "investment_themes": plain["themes"],
        "market_analysis": plain["market_analysis"],
    }


def row(user: str, week: str = OLD, **other: Any) -> dict[str, Any]:
    """A row of user_weekly_stock_picks."""
    rest = {"status": "complete", "citations": ["https://a.example/1"], "raw_response": None,
            "model": "sonar-deep-research", "generated_at": "2030-02-25T12:40:00Z"}  # fmt: skip
    return {"user_id": user, "week_of": week} | old_content() | rest | other


def wiped(user: str, **other: Any) -> dict[str, Any]:
    """A row that a status update has emptied."""
    return row(user, stock_picks=[], investment_themes=[], market_analysis={}, citations=[], **other)


async def test_old_rows(desk: Desk) -> None:
    """Issue 7, item 7: whole rows come over, wiped ones from their raw answer, the rest is reported; twice is once."""
    one, two, three = [await desk.person() for _ in range(3)]
    address = "select address from openbell.person where id = $1"
    people = {name: await desk.pool.fetchval(address, who) for name, who in (("a", one), ("b", two), ("c", three))}
    raw = f"<think>so</think>```json\n{json.dumps(old_content())}\n```"
    rows = [
        row("a"), wiped("b", raw_response=raw), wiped("c"), row("d"), row("a", "2030-02-26"),
        row("a", "2030-02-18", stock_picks=old_content()["stock_picks"][:5]),
        {"user_id": "c", "week_of": OLD, "priority": "high", "reason": "new_user", "attempts": 2},
    ]  # fmt: skip
    report = await import_rows(desk.pool, rows, people)
    assert (report.editions, report.read_again, report.jobs) == (2, 1, 1)
    assert [(one.row, one.why.partition(":")[0]) for one in report.damaged] == [
        (3, "wiped"), (4, "unknown_user"), (5, "wrong_week"), (6, "wrong_shape"),
    ]  # fmt: skip
    again = await import_rows(desk.pool, rows, people)
    assert (again.editions, again.there_already, again.jobs) == (0, 2, 0)
    view = await look(desk.pool, two, enabled=True)
    assert view.edition is not None
    assert (view.edition.kind, str(view.edition.week), view.edition.made.model) == (
        Kind.IMPORTED,
        OLD,
        "sonar-deep-research",
    )
    assert view.edition.stored.content.picks[0].exchange == "not stored"
    assert await desk.pool.fetchval("select count(*) from openbell.job") == 0
    assert await find_by_address(desk.pool, people["a"]) is not None


def test_files() -> None:
    """Issue 7, item 7: JSON, JSON lines, and CSV whose cells hold JSON are read alike."""
    rows = [row("a"), row("b")]
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]))
    writer.writeheader()
    writer.writerows({n: json.dumps(v) if isinstance(v, list | dict) else v for n, v in one.items()} for one in rows)
    assert rows_of(json.dumps(rows), is_csv=False) == rows
    assert rows_of("\n".join(map(json.dumps, rows)), is_csv=False) == rows
    assert rows_of(text.getvalue(), is_csv=True) == rows
