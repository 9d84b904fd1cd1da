"""Reading the chosen articles: what is stored already, else for nothing, else for money under two caps (DG-8)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from openbell.engine.errors import AccountBlocked, ProducerError, Waiting
from openbell.products.context import Context
from openbell.products.digest.addresses import canonical, domain_of
from openbell.products.digest.clean import SHORTEST, clean, is_walled
from openbell.products.digest.database import SQL
from openbell.products.digest.links import LONGEST_WAIT
from openbell.products.digest.plan import Plan
from openbell.products.digest.scoring import Scored
from openbell.products.digest.texts import keep_text
from openbell.products.digest.together import together

AT_ONCE = 8
PAID_AT_ONCE = 4
NOT_WORTH_MONEY = frozenset(
    ("page_gone", "too_large", "wrong_type", "refused_address", "refused_url", "too_many_redirects", "page_too_slow")
)
"""What another way to the page does not mend."""
PROTECTED = frozenset(("page_forbidden", "paywall", "page_rate_limited"))
"""Failures of pages that are kept from programs; the dearer way to them is allowed."""


@dataclass(frozen=True, slots=True)
class Text:
    """An article as it can be read now. ``id`` is another one's when the page turned out to be that article."""

    id: int
    url: str
    text_ref: str | None
    paywalled: bool
    failure: str | None
    synthetic: str | None


async def read_all(ctx: Context, plan: Plan, chosen: Sequence[Scored]) -> dict[int, Text]:
    """Read the chosen articles; by the id of each, what there is of it now.

    Pages that could not be had for nothing are paid for, best first, as far as the caps of the job and of the day go.
    """
    state = await _state(ctx, chosen)
    free = [one for one in chosen if _is_open(state[one.article.id])]
    await together((_free(ctx, state[one.article.id]) for one in free), at_once=AT_ONCE)
    state = await _state(ctx, chosen)
    failed = [
        one for one in chosen
        if state[one.article.id]["reading"] == "failed" and state[one.article.id]["failure"] not in NOT_WORTH_MONEY
    ]  # fmt: skip
    if "scrapfly" in ctx.connections.sources:

        async def choose() -> list[int]:
            return [one.article.id for one in failed[: plan.policy.pages_per_job]]

        # Chosen once a job: an attempt that goes on must not find the next ones that failed, and pay for them too.
        paid = set(await ctx.attempt.step("pages to pay for", choose))
        wanted = [state[one.article.id] for one in failed if one.article.id in paid]
        await together((_paid(ctx, plan, row) for row in wanted), at_once=PAID_AT_ONCE)
        state = await _state(ctx, chosen)
    return {
        key: Text(row["real_id"], row["address"], row["text_ref"], row["paywalled"], row["failure"], row["synthetic"])
        for key, row in state.items()
    }


async def _state(ctx: Context, chosen: Sequence[Scored]) -> dict[int, Any]:
    rows = await ctx.attempt.pool.fetch(SQL.get("read_articles"), [one.article.id for one in chosen])
    return {row["id"]: row for row in rows}


def _is_open(row: Any) -> bool:
    """Whether somebody should try to read it; an aggregator's own page is never an article."""
    return bool(row["is_open"]) and not row["unresolved"]


async def _free(ctx: Context, row: Any) -> None:
    async def read() -> dict[str, Any]:
        try:
            page = await ctx.pages.read(row["address"])
        except AccountBlocked:
            raise
        except ProducerError as error:
            return {"code": error.code}
        text = clean(page.text)
        walled = is_walled(page.html)
        if len(text) < SHORTEST:
            return {"code": "paywall" if walled else "no_text"}
        ref = await keep_text(ctx.attempt.pool, text)
        return {"url": page.url, "ref": ref, "walled": walled, "synthetic": page.synthetic}

    found = await ctx.attempt.step(f"page {row['real_id']}", read)
    await _note(ctx, row, found, way="free")


async def _paid(ctx: Context, plan: Plan, row: Any) -> None:
    """Pay for one page. A day's cap is taken from before, and not given back: it bounds what may be lost."""

    async def read() -> dict[str, Any]:
        pool = ctx.attempt.pool
        if await pool.fetchval(SQL.get("take_paid_page"), plan.policy.zone, plan.policy.pages_per_day) is None:
            return {"code": "daily_cap"}
        key = f"digest:{ctx.attempt.claim.id}:page:{row['real_id']}"
        try:
            page = await ctx.scrapfly.scrape(row["address"], asp=row["failure"] in PROTECTED, key=key)
        except Waiting as error:
            opens_in = error.opens_in if isinstance(error, AccountBlocked) else error.retry_after
            if opens_in is not None and opens_in <= LONGEST_WAIT:
                raise
            return {"code": error.code}
        except ProducerError as error:
            return {"code": error.code}
        return await _keep_paid(ctx, page)

    found = await ctx.attempt.step(f"paid page {row['real_id']}", read)
    await _note(ctx, row, found, way="paid")


async def _keep_paid(ctx: Context, page: Any) -> dict[str, Any]:
    try:
        text = clean(await ctx.reader.text(page.content))
    except ProducerError as error:
        return {"code": error.code}
    if len(text) < SHORTEST:
        return {"code": "no_text"}
    ref = await keep_text(ctx.attempt.pool, text)
    return {"url": page.url, "ref": ref, "walled": is_walled(page.content), "synthetic": page.synthetic}


async def _note(ctx: Context, row: Any, found: dict[str, Any], *, way: str) -> None:
    """Write down how reading went; done again by a later attempt it changes nothing."""
    address = canonical(found["url"]) if found.get("url") else row["address"]
    await ctx.attempt.pool.fetchval(
        SQL.get("note_reading"), row["real_id"], way if "ref" in found else "failed", found.get("ref"),
        bool(found.get("walled")), found.get("code"), found.get("synthetic"), domain_of(address), way,
    )  # fmt: skip
    if found.get("url") and address != row["address"]:
        await ctx.attempt.pool.execute(SQL.get("move_article"), row["real_id"], address, domain_of(address))
