"""Where aggregators' links lead: asked for the selected articles only, and kept (DG-7)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from openbell.engine.errors import AccountBlocked, RateLimited
from openbell.products.context import Context
from openbell.products.digest.addresses import canonical, domain_of
from openbell.products.digest.database import SQL
from openbell.products.digest.scoring import Scored
from openbell.products.digest.together import together

TOGETHER = 5
"""Links asked for at once: few, as one link is a request, and a step that has to wait begins again."""
KEEP, KEEP_FAILED, KEEP_PASSING = timedelta(days=30), timedelta(hours=12), timedelta(hours=1)
LONGEST_WAIT = timedelta(minutes=5)
"""When nobody may ask for longer, the digest goes on with what the feeds say."""


async def resolve(ctx: Context, chosen: Sequence[Scored]) -> None:
    """Find the publishers' addresses of the chosen articles. One that turns out to be another chosen article is its
    duplicate; one that leads nowhere keeps the aggregator's address.
    """
    pool = ctx.attempt.pool
    wanted = sorted({s.article.google_id for s in chosen if s.article.google_id})
    known = await _known(ctx, wanted)
    asked = [one for one in wanted if one not in known]
    groups = [asked[at : at + TOGETHER] for at in range(0, len(asked), TOGETHER)]
    await together((_ask(ctx, group) for group in groups), at_once=2)
    targets = await _known(ctx, wanted)
    for one in sorted(chosen, key=lambda one: one.article.id):
        target = targets.get(one.article.google_id or "")
        if target is not None:
            await pool.execute(SQL.get("move_article"), one.article.id, canonical(target), domain_of(target))


async def _known(ctx: Context, ids: Sequence[str]) -> dict[str, str | None]:
    """What is kept of some links: their targets, None for one that has none for now."""
    rows = await ctx.attempt.pool.fetch(SQL.get("read_links"), list(ids))
    return {row["google_id"]: row["target"] for row in rows}


async def _ask(ctx: Context, ids: Sequence[str]) -> None:
    async def asked() -> list[dict[str, Any]]:
        try:
            found = await ctx.google_links.resolve(ids)
        except RateLimited as error:
            return [{"id": one, "reason": error.code, "passing": True} for one in ids]
        except AccountBlocked as error:
            if error.opens_in <= LONGEST_WAIT:
                raise
            return [{"id": one, "reason": "paused", "passing": True} for one in ids]
        return [{"id": one.id, "url": one.url, "reason": one.reason, "passing": one.passing} for one in found]

    results = await ctx.attempt.step(f"links {ids[0][:60]} {len(ids)}", asked)
    for one in results:
        keep = KEEP if one.get("url") else KEEP_PASSING if one["passing"] else KEEP_FAILED
        reason = None if one.get("url") else one["reason"] or "unresolved"
        await ctx.attempt.pool.execute(SQL.get("keep_link"), one["id"], one.get("url"), reason, keep)
