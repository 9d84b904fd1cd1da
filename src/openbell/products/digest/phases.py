"""Writing a digest from pinned inputs.

    1 bullets ─┬─▶ 1.5 known or new ─┐
               ├─▶ 2 context        ─┼─▶ merge by id ─▶ 4 bottom line, upside, downside ─▶ content
               └─▶ 3 duplicates     ─┘

The three in the middle need only the bullets and run side by side. What a model answers is cleaned, checked against its
sources sentence by sentence, and merged by id; what does not pass is dropped and noted. Ids, counts, dates and filters
are computed here (DG-14). Where no model gives a usable answer, rules do the phase.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import TypeVar
from zoneinfo import ZoneInfo

from openbell.products.context import Context
from openbell.products.digest import phases_forms as forms
from openbell.products.digest.content import (
    SECTIONS,
    Background,
    Bullet,
    Counts,
    DigestContent,
    FilingRef,
    Known,
    Mark,
    Paragraph,
    PhaseRun,
    Price,
    SectionName,
    SourceRef,
    Summary,
    Twin,
)
from openbell.products.digest.inputs import ArticleInput, DigestInputs
from openbell.products.digest.models import Answer, Check, ask
from openbell.products.digest.phases_extract import background_of, extract, sentiment_of, summary_of, topic_of
from openbell.products.digest.phases_merge import bullet_id, excerpts, key_words, twins
from openbell.products.digest.texts import read_texts
from openbell.products.digest.truth import Evidence, company_confusion, evidence_of, folded, mixed_script, verified
from openbell.products.digest.truth_text import clean, cut, fence, line, sentences, steers

__all__ = ["PHASES", "DigestContent", "write"]

PHASES = ("bullets", "known", "context", "duplicates", "summary", "review")
MOST_SUMMARY = 1_800
MOST_FILING = 16_000
T = TypeVar("T", bound=forms.Form)
MOST_CARDS = 90
"""Closes on the price card."""
TOKENS = {"bullets": 8_000, "known": 6_000, "context": 8_000, "duplicates": 3_000, "summary": 2_000}


@dataclass(slots=True)
class Desk:
    """What lies on the desk while a digest is written."""

    ctx: Context
    inputs: DigestInputs
    bodies: Mapping[int, str]
    filings: Mapping[str, str]
    runs: list[PhaseRun] = field(default_factory=list)
    marks: list[Mark] = field(default_factory=list)

    @property
    def articles(self) -> Mapping[int, ArticleInput]:
        """The articles by id."""
        return {one.id: one for one in self.inputs.articles}

    def day_of(self, article: ArticleInput) -> date | None:
        """When it was published, in the digest's zone."""
        return article.published_at and article.published_at.astimezone(ZoneInfo(self.inputs.zone)).date()

    def names(self) -> list[str]:
        """Names and tickers that may be named whether or not a source does: the company's own."""
        return [self.inputs.ticker, self.inputs.name, *self.inputs.aliases]

    def companies(self) -> dict[str, str]:
        """Names by ticker: this company, and those beside it."""
        inputs = self.inputs
        beside = (*inputs.competitors, *inputs.upstream, *inputs.downstream)
        return {one.ticker: one.name for one in beside if one.ticker} | {inputs.ticker: inputs.name}

    def evidence(self, sources: Sequence[int], more: Sequence[str] = ()) -> Evidence:
        """What some articles say, with the facts of the price card."""
        days = [day for one in sources if (day := self.day_of(self.articles[one])) is not None]
        texts = [f"{self.articles[one].title}.\n{self.bodies[one]}" for one in sources]
        return evidence_of(
            [*texts, *more], facts=price_facts(self.inputs), names=self.names(), days=[*days, self.inputs.day]
        )

    async def ask(
        self, phase: str, material: str, output: type[T], check: Check[T] | None = None, part: str = ""
    ) -> Answer[T]:
        """Ask the models of a phase as they were pinned, and note how it went."""
        inputs = self.inputs
        answer = await ask(
            self.ctx, phase, material=material, output=output, max_tokens=TOKENS[phase],
            models=inputs.models.get(phase), prompt=inputs.prompts.get(phase), cap_micro=inputs.cap_micro,
            check=check, part=part,
        )  # fmt: skip
        if answer.run.way != "skipped":  # where there is no model, whoever does it instead says so
            self.runs.append(answer.run)
        return answer

    def note(self, run: PhaseRun, words: str) -> None:
        """Say more about how a phase went."""
        self.runs = [one.model_copy(update={"note": words}) if one is run else one for one in self.runs]


async def write(ctx: Context, inputs: DigestInputs) -> DigestContent:
    """The digest of these inputs. Never fails for what a source or a model says; on a quiet day it is short (DG-18)."""
    desk = await open_desk(ctx, inputs)
    if not inputs.articles:
        return _content(desk, [], Summary())
    await ctx.attempt.progress("phase 1 of 4: bullets")
    bullets = await _bullets(desk)
    if not bullets:
        return _content(desk, [], Summary())
    await ctx.attempt.progress("phases 1.5 to 3: what is new, what it means, what repeats")
    known, backgrounds, same = await _together(_known(desk, bullets), _context(desk, bullets), _twins(desk, bullets))
    tagged = [
        one.model_copy(
            update={
                "known": known.get(one.bullet_id),
                "background": backgrounds.get(one.bullet_id),
                "twin": same.get(one.bullet_id, Twin()),
            }
        )
        for one in bullets
    ]
    await ctx.attempt.progress("phase 4 of 4: the bottom line")
    return _content(desk, tagged, await _summary(desk, tagged))


async def open_desk(ctx: Context, inputs: DigestInputs) -> Desk:
    """The inputs with the texts that they name."""
    refs = [one.text_ref for one in inputs.articles] + [one.text_ref for one in inputs.filings]
    texts = await read_texts(ctx.attempt.pool, refs)
    bodies = {}
    for one in inputs.articles:
        body = texts.get(one.text_ref or "", "")
        own = one.summary if one.summary_by == "extractive" or not body else ""
        bodies[one.id] = "\n".join(filter(None, (own, body)))
    return Desk(ctx, inputs, bodies, {one.accession: texts.get(one.text_ref or "", "") for one in inputs.filings})


async def _together(
    known: Awaitable[Mapping[str, Known]],
    context: Awaitable[Mapping[str, Background]],
    same: Awaitable[Mapping[str, Twin]],
) -> tuple[Mapping[str, Known], Mapping[str, Background], Mapping[str, Twin]]:
    """All three at once; each ends before the first error is raised, so that no paid answer is thrown away."""
    done = await asyncio.gather(known, context, same, return_exceptions=True)
    if isinstance(done[0], BaseException):
        raise done[0]
    if isinstance(done[1], BaseException):
        raise done[1]
    if isinstance(done[2], BaseException):
        raise done[2]
    return done[0], done[1], done[2]


# Phase 1


async def _bullets(desk: Desk) -> list[Bullet]:
    """The bullets of all articles: a call for those that were there first, and one for each top-up (DG-30)."""
    batches: dict[int, list[ArticleInput]] = {}
    for article in desk.inputs.articles:
        batches.setdefault(article.added, []).append(article)
    done = await asyncio.gather(*(_batch(desk, one, batches[one]) for one in sorted(batches)), return_exceptions=True)
    found: dict[str, Bullet] = {}
    for one in done:
        if isinstance(one, BaseException):
            raise one
        found |= {bullet.bullet_id: bullet for bullet in one if bullet.bullet_id not in found}
    order = {name: place for place, name in enumerate(SECTIONS)}
    return sorted(found.values(), key=lambda one: order[one.section])


async def _batch(desk: Desk, added: int, articles: Sequence[ArticleInput]) -> list[Bullet]:
    material = bullet_material(desk.inputs, articles, desk.bodies)
    answer = await desk.ask(
        "bullets", material, forms.drafts([one.id for one in articles]), check=_has_bullets, part=f"batch-{added}"
    )
    if answer.value is not None:
        bullets = [made for one in answer.value.bullets if (made := _checked(desk, one)) is not None]
        if bullets:
            return bullets
        desk.note(answer.run, "no bullet was carried by its sources")
    desk.runs.append(PhaseRun(phase="bullets", way="extractive"))
    quoted = [
        _checked(desk, forms.Draft(section=one.section, topic=one.topic, content=one.content, sources=one.sources))
        for one in extract(desk.inputs, articles, desk.bodies)
    ]
    return [one for one in quoted if one is not None]


def _has_bullets(value: forms.Drafts) -> str | None:
    """An answer without bullets to a day with articles is an error, not a quiet day."""
    return None if value.bullets else "empty_answer"


def bullet_material(inputs: DigestInputs, articles: Sequence[ArticleInput], bodies: Mapping[int, str]) -> str:
    """What phase 1 is told about: who the company is, and the articles between fences."""
    blocks = []
    for one in articles:
        when = (
            one.published_at.astimezone(ZoneInfo(inputs.zone)).strftime("%Y-%m-%d") if one.published_at else "undated"
        )
        text = one.summary if one.summary.strip() else bodies[one.id]
        about = f"{line(one.title, 300)}\n{line(one.publisher, 80)}, {when}, {one.category}: {line(one.subject, 80)}"
        blocks.append((f"article {one.id}", f"{about}\n{cut(clean(text), MOST_SUMMARY)}"))
    return f"Company: {inputs.name} ({inputs.ticker}). Edition: {inputs.edition}, {inputs.day}.\n{fence(blocks)}"


def _checked(desk: Desk, draft: forms.Draft) -> Bullet | None:
    """The bullet, as far as its sources carry it; None where nothing is left of it."""
    known = desk.articles
    sources = list(dict.fromkeys(one for one in draft.sources if one in known))
    where = f"draft:{line(draft.topic or draft.content, 60)}"
    if not sources:
        text = cut(line(draft.content, 300), 300)
        desk.marks.append(
            Mark(where=where, kind="uncited", text=text, detail="cites no article of this digest", action="dropped")
        )
        return None
    evidence = desk.evidence(sources)
    content, marks = verified(draft.content, evidence, where)
    content, more = _confused(desk, content, where)
    section: SectionName = next((one for one in SECTIONS if one == draft.section), "developments")
    made_id = bullet_id(section, content, sources)
    desk.marks += [mark.model_copy(update={"where": made_id if content else where}) for mark in (*marks, *more)]
    if not content:
        return None
    topic, _ = verified(draft.topic, evidence, made_id, most=90)
    days = sorted(day for one in sources if (day := desk.day_of(known[one])) is not None)
    return Bullet(
        bullet_id=made_id,
        section=section,
        topic=topic.rstrip(".") or topic_of(known[sources[0]]) or SECTIONS[section],
        content=content,
        sources=sources,
        first_day=days[0] if days else None,
        last_day=days[-1] if days else None,
        hints={
            one.form: line(one.look_up, 200)
            for one in draft.hints
            if one.form in ("10-K", "10-Q", "8-K") and one.look_up
        },
        keywords=[
            word for one in draft.keywords[:12] if (word := line(one, 60)) and set(folded(word)) <= evidence.words
        ],
    )


def _confused(desk: Desk, content: str, where: str) -> tuple[str, list[Mark]]:
    """Leave out sentences that give this ticker to another company, or another ticker to this one."""
    names = desk.companies()
    kept, marks = [], []
    for sentence in sentences(content):
        fault = company_confusion(sentence, names)
        if fault is None:
            kept.append(sentence)
        else:
            marks.append(
                Mark(where=where, kind=fault.kind, text=cut(sentence, 300), detail=fault.why, action="dropped")
            )
    return " ".join(kept), marks


# Phases 1.5, 2 and 3


def _bullet_blocks(bullets: Sequence[Bullet]) -> list[tuple[str, str]]:
    return [(f"bullet {one.bullet_id} ({one.section})", f"{one.topic}: {one.content}") for one in bullets]


def _filing_blocks(desk: Desk, bullets: Sequence[Bullet]) -> list[tuple[str, str]]:
    words = key_words(bullets)
    return [
        (
            f"filing {one.accession} {one.form} of {one.filed}",
            clean(excerpts(desk.filings[one.accession], words, MOST_FILING)),
        )
        for one in desk.inputs.filings
        if desk.filings[one.accession]
    ]


def _company(desk: Desk) -> str:
    return f"Company: {desk.inputs.name} ({desk.inputs.ticker}).\n"


async def _known(desk: Desk, bullets: Sequence[Bullet]) -> Mapping[str, Known]:
    """Phase 1.5: nothing is known where there are no filings, or no model."""
    filings = _filing_blocks(desk, bullets)
    if not filings:
        desk.runs.append(PhaseRun(phase="known", way="skipped", note="no filing to compare with"))
        return {}
    ids, accessions = [one.bullet_id for one in bullets], [one.accession for one in desk.inputs.filings]
    material = _company(desk) + fence([*_bullet_blocks(bullets), *filings])
    answer = await desk.ask("known", material, forms.known(ids, accessions))
    if answer.run.way == "skipped":
        desk.runs.append(PhaseRun(phase="known", way="skipped", note="no model compares"))
    found: dict[str, Known] = {}
    by_id = {one.bullet_id: one for one in bullets}
    for one in answer.value.bullets if answer.value is not None else ():
        bullet = by_id.get(one.bullet_id)
        if bullet is None or one.bullet_id in found:
            continue
        cited = [accession for accession in dict.fromkeys(one.filings) if accession in accessions]
        new_text = None
        if one.action == "rewrite":
            new_text, marks = verified(
                one.new_text or "", evidence_of([bullet.content], names=desk.names()), bullet.bullet_id
            )
            desk.marks += marks
        action = one.action
        if (action == "rewrite" and not new_text) or (action == "remove" and not cited):
            action = "keep"  # nothing left of the new part, or nobody knows where it is known from
        found[one.bullet_id] = Known(action=action, new_text=new_text or None, filings=cited)
    return found


async def _context(desk: Desk, bullets: Sequence[Bullet]) -> Mapping[str, Background]:
    """Phase 2: by a model with the filings, for every bullet that it does not tell about by rules."""
    by_rules = {one.bullet_id: background_of(one, desk.articles) for one in bullets}
    filings = _filing_blocks(desk, bullets)
    ids, accessions = list(by_rules), [one.accession for one in desk.inputs.filings]
    answer = await desk.ask(
        "context", _company(desk) + fence([*_bullet_blocks(bullets), *filings]), forms.context(ids, accessions)
    )
    if answer.value is None:
        desk.runs.append(PhaseRun(phase="context", way="rules"))
        return by_rules
    by_id = {one.bullet_id: one for one in bullets}
    found: dict[str, Background] = {}
    for one in answer.value.bullets:
        if one.bullet_id in by_id and one.bullet_id not in found:
            found[one.bullet_id] = _background(desk, by_id[one.bullet_id], one, accessions)
    judged = by_rules | found
    if all(one.model_copy(update={"background": judged[one.bullet_id]}).dropped for one in bullets):
        # A model may not declare an eventful day empty: what is about the company stays.
        desk.note(answer.run, "found nothing relevant; relevance by rules")
        judged = {
            name: one.model_copy(update={"relevance": by_rules[name].relevance, "impact": by_rules[name].impact})
            for name, one in judged.items()
        }
    return judged


def _background(desk: Desk, bullet: Bullet, said: forms.ContextOne, accessions: Sequence[str]) -> Background:
    """What a model says of a bullet, as far as filings and articles carry it. The facts of filings need a filing."""
    cited = [one for one in dict.fromkeys(said.filings) if one in accessions and desk.filings[one]]
    of_filings = evidence_of([desk.filings[one] for one in cited], names=desk.names(), days=[desk.inputs.day])
    text, marks = verified(said.context, of_filings, bullet.bullet_id, most=600) if cited else ("", [])
    of_both = desk.evidence(bullet.sources, [desk.filings[one] for one in cited])
    reason, more = verified(said.reason, of_both, bullet.bullet_id, most=300)
    desk.marks += [*marks, *more]
    entity = line(said.entity or "", 80)
    return Background(
        impact=said.impact,
        sentiment=said.sentiment,
        relevance=said.relevance,
        reason=reason,
        text=text,
        filings=cited if text else [],
        entity=entity if entity and set(folded(entity)) <= of_both.words else None,
    )


async def _twins(desk: Desk, bullets: Sequence[Bullet]) -> Mapping[str, Twin]:
    """Phase 3: the rule, and where a model names a pair that shares something, that too."""
    if len(bullets) < 2:
        desk.runs.append(PhaseRun(phase="duplicates", way="skipped", note="one bullet repeats nothing"))
        return twins(bullets)
    ids = [one.bullet_id for one in bullets]
    answer = await desk.ask("duplicates", _company(desk) + fence(_bullet_blocks(bullets)), forms.pairs(ids))
    pairs = answer.value.pairs if answer.value is not None else []
    if answer.value is None:
        desk.runs.append(PhaseRun(phase="duplicates", way="rules"))
    return twins(bullets, [(one.one, one.other) for one in pairs if one.one != one.other])


# Phase 4


async def _summary(desk: Desk, bullets: Sequence[Bullet]) -> Summary:
    """The top, from the bullets that readers get; parts that rest on none of them are dropped."""
    shown = [one for one in bullets if one.dropped is None]
    if not shown:
        desk.runs.append(PhaseRun(phase="summary", way="skipped", note="no bullet is shown"))
        return Summary()
    blocks = [(f"bullet {one.bullet_id} ({_tone(one)})", _whole(one)) for one in shown]
    answer = await desk.ask("summary", _company(desk) + fence(blocks), forms.top([one.bullet_id for one in shown]))
    if answer.value is not None:
        by_id = {one.bullet_id: one for one in shown}
        top = answer.value
        line_ = _part(desk, "bottom_line", top.bottom_line, by_id)
        if line_ is not None:
            up = [made for one in top.upside if (made := _part(desk, "upside", one, by_id)) is not None]
            down = [made for one in top.downside if (made := _part(desk, "downside", one, by_id)) is not None]
            return Summary(bottom_line=line_, upside=up, downside=down)
        desk.note(answer.run, "the bottom line was not carried by its bullets")
    desk.runs.append(PhaseRun(phase="summary", way="extractive"))
    return summary_of(shown)


def _tone(bullet: Bullet) -> str:
    return bullet.background.sentiment if bullet.background else sentiment_of(bullet.content)


def _whole(bullet: Bullet) -> str:
    known = bullet.background.text if bullet.background else ""
    return f"{bullet.topic}: {bullet.text}" + (f" (from filings: {known})" if known else "")


def _part(desk: Desk, where: str, part: forms.Part, by_id: Mapping[str, Bullet]) -> Paragraph | None:
    cited = [one for one in dict.fromkeys(part.bullets) if one in by_id]
    if not cited:
        text = line(part.text, 300)
        desk.marks.append(Mark(where=where, kind="uncited", text=text, detail="rests on no bullet", action="dropped"))
        return None
    texts = [_whole(by_id[one]) for one in cited]
    evidence = evidence_of(texts, facts=price_facts(desk.inputs), names=desk.names(), days=[desk.inputs.day])
    text, marks = verified(part.text, evidence, where, most=900)
    desk.marks += marks
    return Paragraph(text=text, bullets=cited) if text else None


# The whole


def price_facts(inputs: DigestInputs) -> list[str]:
    """The price card in words, for figures in texts."""
    price = inputs.price
    if price is None:
        return []
    unit = f" {price.currency}" if price.currency else ""
    said = [f"The price was {price.price:.2f}{unit} on {price.as_of:%Y-%m-%d}."]
    if price.change_percent is not None:
        said.append(f"It {'rose' if price.change_percent >= 0 else 'fell'} {abs(price.change_percent):.2f} percent.")
    if price.change is not None:
        said.append(f"It {'rose' if price.change >= 0 else 'fell'} by {abs(price.change):.2f}{unit}.")
    return said


def _price(inputs: DigestInputs) -> Price | None:
    facts = inputs.price
    if facts is None:
        return None
    closes = facts.closes[-MOST_CARDS:]
    every = [close for _, close in closes] or [facts.price]
    return Price(
        day=facts.as_of.astimezone(ZoneInfo(inputs.zone)).date(), close=facts.price, change=facts.change,
        percent=facts.change_percent, currency=facts.currency, closes=closes, low=min(every), high=max(every),
        synthetic=facts.synthetic,
    )  # fmt: skip


def source_title(article: ArticleInput) -> str:
    """The headline as plain text; where it speaks to machines or hides letters, only that there is an article."""
    title = line(article.title, 240)
    return f"Article of {line(article.publisher, 80)}" if not title or steers(title) or mixed_script(title) else title


def _content(desk: Desk, bullets: Sequence[Bullet], summary: Summary) -> DigestContent:
    inputs = desk.inputs
    cited = {one for bullet in bullets for one in bullet.sources}
    sources = [
        SourceRef(
            id=one.id, title=source_title(one), url=one.url, publisher=line(one.publisher, 80), quality=one.quality,
            published_at=one.published_at, paywalled=one.paywalled, is_new=one.added > 1, category=one.category,
        )
        for one in inputs.articles
        if one.id in cited
    ]  # fmt: skip
    used = {accession for one in bullets if one.background for accession in one.background.filings}
    filings = [
        FilingRef(
            accession=one.accession,
            form=one.form,
            filed=one.filed,
            title=line(one.title, 160),
            url=one.url,
            is_new=one.is_new,
        )
        for one in inputs.filings
        if one.accession in used or one.is_new
    ]
    quiet = all(one.dropped for one in bullets) and not any(one.is_new for one in inputs.filings)
    return DigestContent(
        ticker=inputs.ticker, name=line(inputs.name, 120), edition=inputs.edition, day=inputs.day, zone=inputs.zone,
        begins=inputs.begins, ends=inputs.ends, quiet=quiet,
        bullets=list(bullets), summary=summary, sources=sources, filings=filings, price=_price(inputs),
        counts=Counts(
            articles=len(inputs.articles), publishers=len({one.publisher for one in inputs.articles}),
            bullets=len(bullets), shown=sum(one.dropped is None for one in bullets),
            duplicates=sum(one.twin.role == "duplicate" for one in bullets), marks=len(desk.marks),
            filings=len(filings),
        ),
        marks=sorted(desk.marks, key=lambda one: (one.where, one.kind, one.text)),
        runs=sorted(desk.runs, key=lambda one: PHASES.index(one.phase)), synthetic=inputs.synthetic,
    )  # fmt: skip
