"""The facts of each article that was read: an industry article passes a gate of relevance first.

Every article ends with exactly one outcome (DG-11).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pydantic import BaseModel, Field

from openbell.products.context import Context
from openbell.products.digest.content import PhaseRun
from openbell.products.digest.inputs import Outcome, Summary, hash_of
from openbell.products.digest.models import ask
from openbell.products.digest.plan import Plan
from openbell.products.digest.reading import Text
from openbell.products.digest.scoring import KNOWN_SOURCES, USUAL_SOURCE, Scored, names_in
from openbell.products.digest.texts import read_texts
from openbell.products.digest.together import together
from openbell.products.digest.triage import names_of

AT_ONCE = 6
ANSWER_TOKENS, GATE_TOKENS = 700, 200
MOST_SHOWN = 12_000
"""Characters of an article that a model is shown."""
LEAST_RELEVANCE = 4.0
FEED_WORDS = 120
"""Characters that a feed must say of an article that cannot be read, for its words to stand for it."""
EXTRACT = 600
"""Characters of an extractive summary."""


class Facts(BaseModel):
    """What a model writes down of an article."""

    facts: str = Field(max_length=4_000)
    quality: float = Field(ge=0, le=10)


class Gate(BaseModel):
    """How much an article of the industry bears on the company."""

    score: float = Field(ge=0, le=10)
    reason: str = Field("", max_length=400)


@dataclass(frozen=True, slots=True)
class Summed:
    """What became of an article after it was read. Without a summary it is not used."""

    outcome: Outcome
    reason: str
    summary: str = ""
    summary_by: Summary = "extractive"
    quality: float | None = None
    relevance: float | None = None
    runs: tuple[PhaseRun, ...] = ()


async def summarise(ctx: Context, plan: Plan, chosen: Sequence[Scored], read: Mapping[int, Text]) -> dict[int, Summed]:
    """What becomes of each chosen article. Two that turned out to be one article are one: the better placed stays."""
    texts = await read_texts(ctx.attempt.pool, (text.text_ref for text in read.values()))
    taken: dict[int, int] = {}
    done: dict[int, Summed] = {}
    open_ones: list[Scored] = []
    for one in chosen:
        text = read[one.article.id]
        if (first := taken.setdefault(text.id, one.article.id)) != one.article.id:
            done[one.article.id] = Summed("duplicate", f"is article {first}")
        elif text.text_ref is not None and text.text_ref in texts:
            open_ones.append(one)
        elif len(one.article.summary) >= FEED_WORDS and one.article.category != "industry":
            summary = extract(one.article.summary, names_of(one.article, plan.one))
            done[one.article.id] = Summed("used", "words of the feed", summary, "extractive", usual_quality(one) - 1)
        else:
            done[one.article.id] = Summed("unreachable", text.failure or "no text")
    summed = await together(
        (_sum_up(ctx, plan, one, texts[read[one.article.id].text_ref or ""]) for one in open_ones), at_once=AT_ONCE
    )
    return done | {one.article.id: result for one, result in zip(open_ones, summed, strict=True)}


async def _sum_up(ctx: Context, plan: Plan, one: Scored, text: str) -> Summed:
    relevance, runs = None, []
    if one.article.category == "industry":
        relevance, reason, run = await _gate(ctx, plan, one, text)
        runs.append(run)
        if relevance < LEAST_RELEVANCE:
            return Summed("low_relevance", reason, relevance=relevance, runs=tuple(runs))
    answer = await ask(
        ctx, "article", material=_material(plan, one, text), output=Facts, max_tokens=ANSWER_TOKENS,
        models=plan.models.get("article"), prompt=plan.prompts.get("article"), part=str(one.article.id),
    )  # fmt: skip
    runs.append(answer.run)
    if answer.value is not None:
        facts = answer.value.facts.strip()
        if not facts:
            return Summed("low_relevance", "no fact of use", relevance=relevance, runs=tuple(runs))
        return Summed("used", "", facts, "model", round(answer.value.quality, 1), relevance, tuple(runs))
    if answer.run.way == "failed":
        return Summed("model_error", ", ".join(f.code for f in answer.run.failures)[:200], runs=tuple(runs))
    if one.article.category != "industry" and not is_business(text, names_of(one.article, plan.one)):
        return Summed("low_relevance", "another thing of that name", runs=tuple(runs))
    summary = extract(text, names_of(one.article, plan.one))
    return Summed("used", "", summary, "extractive", usual_quality(one), relevance, tuple(runs))


async def _gate(ctx: Context, plan: Plan, one: Scored, text: str) -> tuple[float, str, PhaseRun]:
    """How much an industry article bears on the company: a model says so, or whether it names them."""
    answer = await ask(
        ctx, "relevance", material=_material(plan, one, text), output=Gate, max_tokens=GATE_TOKENS,
        models=plan.models.get("relevance"), prompt=plan.prompts.get("relevance"), part=str(one.article.id),
    )  # fmt: skip
    if answer.value is not None:
        return answer.value.score, answer.value.reason[:200], answer.run
    score = named_relevance(one, plan, text)
    return score, f"relevance {score:g} by the names in it", answer.run


_BUSINESS = re.compile(
    r"\b(shares?|stock|investors?|analysts?|revenue|sales|profits?|earnings|quarter|company|customers?|suppliers?|"
    r"shareholders?|regulators?|court|chief executive|contract|acquisition|guidance|margins?|dividend)\b",
    re.IGNORECASE,
)


def is_business(text: str, names: Sequence[str]) -> bool:
    """Whether a text names the company, and speaks of business at least three times: for where no model can say so."""
    return names_in(text, names) and len(_BUSINESS.findall(text)) >= 3


def named_relevance(one: Scored, plan: Plan, text: str) -> float:
    """0 to 10 by who and what is named: the keyword in the title, in the text; the company; those beside it."""
    company = [plan.one.name, *plan.one.aliases]
    beside = [c.name for c in (*plan.one.competitors, *plan.one.upstream, *plan.one.downstream)]
    score = 4.0 if names_in(one.article.title, [one.article.subject]) else 0.0
    score += 2.0 if names_in(text, [one.article.subject]) else 0.0
    score += 3.0 if names_in(text, company) else 0.0
    return score + (1.0 if names_in(text, beside) else 0.0)


def _material(plan: Plan, one: Scored, text: str) -> str:
    """What a model is told of an article; the fence is a mark that the text cannot know."""
    shown = text[:MOST_SHOWN]
    mark = f"<<< {hash_of(plan.one.ticker, one.article.id, shown)[:16]} >>>"
    article = one.article
    found = f"{article.category.replace('_', ' ')}{f', {article.direction}' if article.direction else ''}"
    return "\n".join(
        (
            f"Company: {plan.one.name} ({plan.one.ticker})",
            f"Found under: {found}: {article.subject}",
            f"Title: {one.article.title}",
            f"Publisher: {one.article.publisher}",
            mark,
            shown.replace("<<<", "< < <"),
            mark,
        )
    )


_SENTENCE = re.compile(r"(?<=[.!?])[\"'”’)]?\s+(?=[\"'“‘(]?[A-Z0-9$€£])|\n+")
_ABBREVIATED = re.compile(
    r"(?:\b(?:Mr|Mrs|Ms|Dr|Inc|Corp|Co|Ltd|No|vs|St|Jr|Sr|U\.S|U\.K|approx|Jan|Feb|Aug|Sept|Oct|Nov|Dec)|\b[A-Z])\.$"
)


def sentences(text: str) -> list[str]:
    """The sentences of a text, as they stand. A full stop after an abbreviation or an initial ends none."""
    found: list[str] = []
    for part in _SENTENCE.split(text):
        if found and _ABBREVIATED.search(found[-1]):
            found[-1] = f"{found[-1]} {part.strip()}"
        elif part and part.strip():
            found.append(part.strip())
    return found


def extract(text: str, names: Sequence[str]) -> str:
    """Sentences of a text that say most: the first, then those with figures and with the names; in their own order."""
    found = sentences(text)[:60]
    if not found:
        return ""

    def worth(place: int) -> tuple[float, int]:
        sentence = found[place]
        value = (3.0 if place == 0 else 0.0) + (1.0 if re.search(r"\d", sentence) else 0.0)
        value += 1.0 if names_in(sentence, names) else 0.0
        return (-value + place * 0.05, place)

    kept: list[int] = []
    room = EXTRACT
    for place in sorted(range(len(found)), key=worth):
        if len(found[place]) + 1 <= room:
            kept.append(place)
            room -= len(found[place]) + 1
    return " ".join(found[place] for place in sorted(kept)) or found[0][:EXTRACT]


def usual_quality(one: Scored) -> float:
    """How good a source is, 0 to 10, where nobody has read it."""
    return round(10 * KNOWN_SOURCES.get(one.article.domain or "", USUAL_SOURCE), 1)
