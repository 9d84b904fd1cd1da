"""Filings of the SEC: new ones are found once; what was there before a ticker was looked at is no news (DG-41)."""

from __future__ import annotations

import re
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from openbell.engine.errors import AccountBlocked, NothingKnown, ProducerError
from openbell.products.context import Context
from openbell.products.digest.clean import clean
from openbell.products.digest.database import SQL
from openbell.products.digest.inputs import FilingInput
from openbell.products.digest.reference import Reference
from openbell.products.digest.texts import keep_text
from openbell.products.digest.together import together
from openbell.providers.edgar import Filing

FORMS = ("10-K", "10-Q", "8-K")
EXHIBIT = "8-K EX-99"
MOST_BASELINE = 40
"""Filings that are stored of a ticker that is new: no more are ever asked for."""
MOST_8K = 10
MOST_TEXT = 10 * 1024 * 1024
AT_ONCE = 3
_EXHIBIT_99 = re.compile(r'href="[^"]*?([A-Za-z0-9_-]*(?:ex|exhibit)[-_]?99[A-Za-z0-9._-]*\.html?)"', re.IGNORECASE)


async def check_filings(ctx: Context, one: Reference) -> dict[str, Any]:
    """Ask for what a company has filed, and store what is not known yet. For a ticker that has nothing stored all of
    it is the baseline. Returns how many are new, or the code of what went wrong; that says nothing about the digest.
    """
    if one.cik is None:
        return {"new": 0, "code": "no_cik"}
    if "edgar" not in ctx.connections.sources or ctx.connections.contact is None:
        return {"new": 0, "code": "not_configured"}
    try:
        found = await ctx.edgar.submissions(one.cik)
    except AccountBlocked:
        raise
    except NothingKnown:
        return {"new": 0, "code": "unknown_company"}
    except ProducerError as error:
        return {"new": 0, "code": error.code}
    rows = [filing for filing in found.filings if filing.form in FORMS and filing.document][:MOST_BASELINE]
    synthetic = ctx.attempt.sources[-1].get("synthetic") if ctx.attempt.sources else None
    new: int = await ctx.attempt.pool.fetchval(
        SQL.get("add_filings"),
        one.ticker,
        [filing.accession for filing in rows],
        [filing.form for filing in rows],
        [filing.period for filing in rows],
        [filing.filed for filing in rows],
        [_title(one, filing) for filing in rows],
        [_address(one.cik, filing.accession, filing.document or "") for filing in rows],
        [",".join(filing.items) for filing in rows],
        synthetic,
    )
    return {"new": new}


def _title(one: Reference, filing: Filing) -> str:
    period = f" for the period to {filing.period.isoformat()}" if filing.period and filing.form != "8-K" else ""
    return f"{one.name}: Form {filing.form}{period}"


def _address(cik: int, accession: str, document: str) -> str:
    return f"https://www.sec.gov/Archives/edgar/data/{cik}/{accession.replace('-', '')}/{document}"


async def filings_for(ctx: Context, one: Reference, begins: datetime, ends: datetime, zone: str) -> list[FilingInput]:
    """The filings of a digest: the latest 10-K and 10-Q before its end, and the 8-K of its window, with their texts.

    A new one is news when it was filed in the window and is not of the baseline.
    """
    first, last = (moment.astimezone(ZoneInfo(zone)).date() for moment in (begins, ends))
    rows = await ctx.attempt.pool.fetch(SQL.get("list_filings"), one.ticker, first, last, MOST_8K)
    if one.cik is not None and "edgar" in ctx.connections.sources and ctx.connections.contact is not None:
        for _ in range(2):  # a release stands beside its report, and is known only when that has been read
            await together((_fetch_text(ctx, one.cik, row) for row in rows if row["is_open"]), at_once=AT_ONCE)
            rows = await ctx.attempt.pool.fetch(SQL.get("list_filings"), one.ticker, first, last, MOST_8K)
    return [_input(row, first, last) for row in rows]


def _input(row: Any, first: date, last: date) -> FilingInput:
    return FilingInput(
        accession=row["accession"], form=row["form"], filed=row["filed"], period=row["period"], title=row["title"],
        url=row["address"], items=list(row["items"]), text_ref=row["text_ref"],
        is_new=row["state"] != "baseline" and first <= row["filed"] <= last, synthetic=row["synthetic"],
    )  # fmt: skip


async def _fetch_text(ctx: Context, cik: int, row: Any) -> None:
    """The text of a filing, and of a press release beside an 8-K; kept for good."""
    accession = row["accession"]

    async def read() -> dict[str, Any]:
        try:
            text, exhibits = await _document(ctx, cik, accession, row["address"].rsplit("/", 1)[-1])
        except AccountBlocked:
            raise
        except ProducerError as error:
            return {"code": error.code}
        return {"ref": await keep_text(ctx.attempt.pool, text) if text else None, "exhibits": exhibits}

    found = await ctx.attempt.step(f"filing {accession} {row['form']}", read)
    code = found.get("code") or (None if found.get("ref") else "no_text")
    await ctx.attempt.pool.execute(
        SQL.get("note_filing"), row["ticker"], accession, row["form"], found.get("ref"), code
    )
    for name in found.get("exhibits", [])[:1] if row["form"] == "8-K" else []:
        await ctx.attempt.pool.execute(
            SQL.get("add_exhibit"), row["ticker"], accession, EXHIBIT, _address(cik, accession, name)
        )


async def _document(ctx: Context, cik: int, accession: str, name: str) -> tuple[str, list[str]]:
    document = await ctx.edgar.document(cik, accession, name)
    if len(document.body) > MOST_TEXT:
        return "", []
    html = document.body.decode("utf-8", "replace")
    exhibits = list(dict.fromkeys(_EXHIBIT_99.findall(html)))
    if "html" not in document.media_type and "<html" not in html[:2_000].lower():
        return clean(html), exhibits
    return clean(await ctx.reader.text(html)), exhibits
