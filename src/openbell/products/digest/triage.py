"""Choosing the articles of a digest: scored by code and, where there is one, by a model; scoring.py has the rules."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from pydantic import BaseModel, Field

from openbell.products.context import Context
from openbell.products.digest.content import PhaseRun
from openbell.products.digest.database import SQL
from openbell.products.digest.ingest import Standing
from openbell.products.digest.models import ask
from openbell.products.digest.plan import Plan
from openbell.products.digest.reference import Reference
from openbell.products.digest.scoring import Scored, choose, rank, reliability_of, score_title, sort_out, told_keys

MOST_ASKED = 150
"""Titles that a model is shown; the best by the other scorer."""
ANSWER_TOKENS = 6_000


class TitleScore(BaseModel):
    """What a model gives a title."""

    id: int
    score: float = Field(ge=0, le=10)
    why: str = Field("", max_length=200)


class TitleScores(BaseModel):
    """The answer of the model scorer."""

    scores: list[TitleScore]


@dataclass(frozen=True, slots=True)
class Selection:
    """Everything that stood, the chosen first among it and best first, and who has scored."""

    all: list[Scored]
    chosen: list[Scored]
    scorers: list[str]
    run: PhaseRun | None


def names_of(article: Standing, one: Reference) -> list[str]:
    """The names of what the article's feed was about."""
    if article.category == "company":
        return [one.name, one.ticker, *one.aliases]
    beside = [*one.competitors, *one.upstream, *one.downstream]
    symbols = [company.ticker for company in beside if company.name == article.subject and company.ticker]
    return [article.subject, *symbols]


async def select(ctx: Context, plan: Plan, standing: Sequence[Standing]) -> Selection:
    """Score and choose. A scorer that fails is left out; that is said in ``scorers``."""
    scored, one = sort_out(standing), plan.one
    pool = ctx.attempt.pool
    told = told_keys([row["title"] for row in await pool.fetch(SQL.get("list_told"), one.ticker, plan.parts.day)])
    rows = await pool.fetch(SQL.get("list_domains"))
    reliability = reliability_of([(row["domain"], row["good"], row["bad"]) for row in rows])
    open_ones = [each for each in scored if each.chosen]
    for each in open_ones:
        names = names_of(each.article, one)
        each.scores["titles"] = score_title(each.article, names, plan.ends, told=told, reliability=reliability)
        each.total = each.scores["titles"]
    scorers = ["titles"]
    run = await _ask_model(ctx, plan, rank(open_ones)[:MOST_ASKED]) if open_ones else None
    if run is not None and run.way == "model":
        scorers.append("model")
    return Selection(scored, choose(scored), scorers, run)


async def _ask_model(ctx: Context, plan: Plan, asked: Sequence[Scored]) -> PhaseRun:
    """Let a model score the titles; what it says of articles that it was not asked about is ignored."""
    by_id = {each.article.id: each for each in asked}
    material = json.dumps(
        {
            "ticker": plan.one.ticker,
            "company": plan.one.name,
            "titles": [
                {
                    "id": each.article.id,
                    "title": each.article.title[:300],
                    "publisher": each.article.publisher[:80],
                    "about": each.article.category,
                    "subject": each.article.subject,
                }
                for each in sorted(asked, key=lambda each: each.article.id)
            ],
        },
        ensure_ascii=False,
    )

    def check(answer: TitleScores) -> str | None:
        known = {score.id for score in answer.scores} & by_id.keys()
        return None if len(known) * 2 >= len(by_id) else "wrong_answer"

    answer = await ask(
        ctx, "triage", material=material, output=TitleScores, max_tokens=ANSWER_TOKENS, check=check,
        models=plan.models.get("triage"), prompt=plan.prompts.get("triage"),
    )  # fmt: skip
    for score in answer.value.scores if answer.value is not None else ():
        if score.id in by_id:
            by_id[score.id].scores["model"] = round(score.score, 2)
    return answer.run
