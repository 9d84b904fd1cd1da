"""From feeds to pinned inputs: the first half of a digest, in steps that are done once (DG-3).

    ingest ─▶ select ─▶ resolve ─▶ read ─▶ summarise ─▶ pin
    check filings ─▶ their texts ─────────────────────┘

The selection is pinned when it is made, and the inputs when they are complete. Whoever makes the digest again finds
both, goes on from there, and chooses nothing anew unless a new revision was asked for.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from functools import partial
from typing import Any

from openbell.engine.errors import Permanent
from openbell.products.context import Context
from openbell.products.digest.editions import Parts
from openbell.products.digest.filings import check_filings, filings_for
from openbell.products.digest.ingest import Standing, ingest, standing
from openbell.products.digest.inputs import ArticleInput, Candidate, DigestInputs, FilingInput
from openbell.products.digest.links import resolve
from openbell.products.digest.pins import Pin, ensure_pin
from openbell.products.digest.plan import Plan, make_plan, restore_plan
from openbell.products.digest.policy import read_policy
from openbell.products.digest.prices import price_facts
from openbell.products.digest.reading import Text, read_all
from openbell.products.digest.reference import read_reference
from openbell.products.digest.scoring import Scored, rank
from openbell.products.digest.summaries import Summed, summarise
from openbell.products.digest.together import together
from openbell.products.digest.triage import select


async def gather(ctx: Context, parts: Parts) -> DigestInputs | None:
    """The inputs of a digest: those that are pinned, or new ones, pinned now. None for a quiet day that makes none.

    Raises :class:`Permanent` `unknown_ticker` for one without reference data.
    """
    pool = ctx.attempt.pool
    one = await read_reference(pool, parts.ticker)
    if one is None:
        raise Permanent(
            f"There is no reference data for {parts.ticker}: import it (`openbell reference import FILE.csv`).",
            code="unknown_ticker",
        )
    pin = await ensure_pin(pool, parts)
    policy = await read_policy(pool)
    if pin.inputs is not None:
        inputs = DigestInputs.model_validate(pin.inputs)
    else:
        if pin.selection is None:
            pin = await _select(ctx, await make_plan(ctx, one, parts, before=pin.before), pin)
        assert pin.selection is not None
        inputs = await _complete(ctx, restore_plan(one, parts, policy, pin.selection["plan"]), pin.selection, pin)
    return None if inputs.is_quiet and policy.quiet == "none" else inputs


async def _select(ctx: Context, plan: Plan, pin: Pin) -> Pin:
    """Look at all feeds and filings, choose, and pin what was chosen."""
    await ctx.attempt.progress("reading feeds")

    async def feeds() -> dict[str, Any]:
        count, failed = await ingest(ctx, plan.parts.ticker)
        return {"feeds": count, "failed": failed}

    looked, filed = await together(
        (feeds(), ctx.attempt.step("filings", partial(check_filings, ctx, plan.one))), at_once=2
    )
    await ctx.attempt.progress("choosing articles")
    known = {} if pin.before is None else {one["id"]: one for one in pin.before["scored"]}
    stood = await standing(ctx, plan.parts, plan.begins, plan.ends)
    chosen = await select(ctx, plan, [one for one in stood if one.id not in known])
    selection = {
        "plan": plan.as_json(),
        "feeds": looked["feeds"],
        "feeds_failed": looked["failed"],
        "filings": filed,
        "scorers": chosen.scorers,
        "scored": [*known.values(), *(_packed(one, pin.revision) for one in rank(chosen.all))],
    }
    return await pin.keep_selection(ctx.attempt.pool, selection)


async def _complete(ctx: Context, plan: Plan, selection: Mapping[str, Any], pin: Pin) -> DigestInputs:
    """Resolve, read and sum up what was chosen, and pin the inputs."""
    stored = [(_unpacked(one), int(one["added"])) for one in selection["scored"]]
    chosen = rank([one for one, _ in stored if one.chosen])
    added = {one.article.id: revision for one, revision in stored}

    async def articles() -> tuple[dict[int, Text], dict[int, Summed]]:
        await ctx.attempt.progress(f"finding {len(chosen)} articles")
        await resolve(ctx, chosen)
        await ctx.attempt.progress(f"reading {len(chosen)} articles")
        read = await read_all(ctx, plan, chosen)
        await ctx.attempt.progress(f"summing up {sum(t.text_ref is not None for t in read.values())} articles")
        return read, await summarise(ctx, plan, chosen, read)

    async def filings() -> list[FilingInput]:
        return await filings_for(ctx, plan.one, plan.begins, plan.ends, plan.policy.zone)

    both: list[Any] = await together((articles(), filings()), at_once=2)
    (read, summed), filed = both
    for one, _ in stored:
        if one.chosen:
            one.outcome, one.reason = summed[one.article.id].outcome, summed[one.article.id].reason
    candidates = [_candidate(one, read.get(one.article.id)) for one, _ in stored]
    used = [_article(one, read[one.article.id], summed[one.article.id], added[one.article.id])
            for one in chosen if one.outcome == "used"]  # fmt: skip
    inputs = DigestInputs(
        ticker=plan.parts.ticker, name=plan.one.name, edition=plan.parts.edition, day=plan.parts.day,
        zone=plan.policy.zone, begins=plan.begins, ends=plan.ends, revision=pin.revision,
        aliases=list(plan.one.aliases), industry=list(plan.one.industry), competitors=list(plan.one.competitors),
        upstream=list(plan.one.upstream), downstream=list(plan.one.downstream),
        articles=used, filings=filed, candidates=candidates,
        price=await price_facts(ctx, plan.parts.ticker), cap_micro=ctx.connections.digest_cap_micro,
        outcomes=dict(sorted(Counter(one.outcome for one in candidates).items())), scorers=selection["scorers"],
        feeds=selection["feeds"], feeds_failed=selection["feeds_failed"], prompts=plan.prompts, models=plan.models,
    )  # fmt: skip
    return await pin.keep_inputs(ctx.attempt.pool, inputs, candidates)


def _packed(one: Scored, revision: int) -> dict[str, Any]:
    article = asdict(one.article)
    published = one.article.published_at
    return article | {
        "published_at": published.isoformat() if published else None,
        "scores": one.scores,
        "total": one.total,
        "outcome": one.outcome,
        "reason": one.reason,
        "added": revision,
    }


def _unpacked(stored: Mapping[str, Any]) -> Scored:
    published = stored["published_at"]
    fields = {name: stored[name] for name in Standing.__slots__}
    article = Standing(**(fields | {"published_at": datetime.fromisoformat(published) if published else None}))
    return Scored(article, dict(stored["scores"]), stored["total"], stored["outcome"], stored["reason"])


def _candidate(one: Scored, text: Text | None) -> Candidate:
    article = one.article
    assert one.outcome is not None
    return Candidate(
        id=article.id, title=article.title, url=text.url if text else article.address, publisher=article.publisher,
        published_at=article.published_at, category=article.category, direction=article.direction,
        subject=article.subject, scores=one.scores, chosen=text is not None, outcome=one.outcome, reason=one.reason,
    )  # fmt: skip


def _article(one: Scored, text: Text, summed: Summed, added: int) -> ArticleInput:
    article = one.article
    return ArticleInput(
        id=article.id, url=text.url, publisher=article.publisher, domain=article.domain, title=article.title,
        published_at=article.published_at, category=article.category, direction=article.direction,
        subject=article.subject, text_ref=text.text_ref, summary=summed.summary, summary_by=summed.summary_by,
        quality=summed.quality, relevance=summed.relevance, paywalled=text.paywalled, score=one.total, added=added,
        synthetic=text.synthetic or article.synthetic,
    )  # fmt: skip
