"""Where aggregators' links lead: asked for the selected articles only, and kept (DG-7)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import timedelta
from functools import partial
from hashlib import sha256
from typing import Any

from openbell.engine.errors import AccountBlocked, RateLimited
from openbell.products.context import Context
from openbell.products.digest.addresses import canonical, domain_of
from openbell.products.digest.database import SQL
from openbell.products.digest.scoring import Scored
from openbell.providers.google_links import MOST_LINKS, Resolution

KEEP, KEEP_FAILED, KEEP_PASSING = timedelta(days=30), timedelta(hours=12), timedelta(hours=1)
LONGEST_WAIT = timedelta(minutes=5)
"""When nobody may ask for longer, the digest goes on with what the feeds say."""
STOPS = ("bot_check", "paused")
"""Reasons after which no other link is asked for, either."""


async def resolve(ctx: Context, chosen: Sequence[Scored]) -> None:
    """Find the publishers' addresses of the chosen articles. One that turns out to be another chosen article is its
    duplicate; one that leads nowhere keeps the aggregator's address.
    """
    pool = ctx.attempt.pool
    wanted = sorted({s.article.google_id for s in chosen if s.article.google_id})
    known = await _known(ctx, wanted)
    asked = [one for one in wanted if one not in known]
    groups = [asked[at : at + MOST_LINKS] for at in range(0, len(asked), MOST_LINKS)]
    for group in groups:
        if not await _ask(ctx, group):
            break
    targets = await _known(ctx, wanted)
    for one in sorted(chosen, key=lambda one: one.article.id):
        target = targets.get(one.article.google_id or "")
        if target is not None:
            await pool.execute(SQL.get("move_article"), one.article.id, canonical(target), domain_of(target))


async def _known(ctx: Context, ids: Sequence[str]) -> dict[str, str | None]:
    """What is kept of some links: their targets, None for one that has none for now."""
    rows = await ctx.attempt.pool.fetch(SQL.get("read_links"), list(ids))
    return {row["google_id"]: row["target"] for row in rows}


async def _ask(ctx: Context, ids: Sequence[str]) -> bool:
    """Ask for some links and keep the answers; False when nobody may ask for more now.

    Each is signed in a step of its own: a full minute of the resolver must not lose what was asked in it, or digests
    that share it would starve each other.
    """
    signed: dict[str, tuple[int, str]] = {}
    results: list[dict[str, Any]] = []
    stopped = False
    for place, link in enumerate(ids):
        rest = ids[place:]
        answers = await ctx.attempt.step(f"link {_short(link)}", partial(_guarded, rest, partial(_sign, ctx, link)))
        if "signature" in answers[0]:
            signed[link] = tuple(answers[0]["signature"])
            continue
        results += answers
        if stopped := answers[0]["reason"] in STOPS:  # the rest has this answer, too
            break
    if signed:
        name = f"links {_short(*signed)} {len(signed)}"
        results += await ctx.attempt.step(name, partial(_guarded, list(signed), partial(_targets, ctx, signed)))
    for one in results:
        keep = KEEP if one.get("url") else KEEP_PASSING if one["passing"] else KEEP_FAILED
        reason = None if one.get("url") else one["reason"] or "unresolved"
        await ctx.attempt.pool.execute(SQL.get("keep_link"), one["id"], one.get("url"), reason, keep)
    return not stopped


async def _sign(ctx: Context, link: str) -> list[dict[str, Any]]:
    answer = await ctx.google_links.sign(link)
    return [_told(answer)] if isinstance(answer, Resolution) else [{"id": link, "signature": list(answer)}]


async def _targets(ctx: Context, signed: Mapping[str, tuple[int, str]]) -> list[dict[str, Any]]:
    return [_told(one) for one in (await ctx.google_links.targets(signed)).values()]


async def _guarded(ids: Sequence[str], work: Callable[[], Awaitable[list[dict[str, Any]]]]) -> list[dict[str, Any]]:
    """What came of a request, or that nobody may ask for long. Raises :class:`AccountBlocked` for a short while."""
    try:
        return await work()
    except RateLimited as error:
        return [{"id": one, "reason": error.code, "passing": True} for one in ids]
    except AccountBlocked as error:
        if error.opens_in <= LONGEST_WAIT:
            raise
        return [{"id": one, "reason": "paused", "passing": True} for one in ids]


def _told(one: Resolution) -> dict[str, Any]:
    return {"id": one.id, "url": one.url, "reason": one.reason, "passing": one.passing}


def _short(*ids: str) -> str:
    """Ids for the name of a step: they are long, and begin alike."""
    return sha256(" ".join(ids).encode()).hexdigest()[:16]
