"""Mails 1, 2 and 3 of a digest, from what is stored: no question, no call, no clock (DG-19).

1 selection  for admins: what was chosen, what was not, with the scores and why
2 content    for admins: every bullet with what each phase says of it, the marks, who wrote it and what it cost
3 digest     for subscribers: what they read
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from operator import itemgetter
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from openbell.mail import Letter, render
from openbell.mail.letters import HOME, Image
from openbell.products.digest.content import (
    SECTIONS,
    Bullet,
    DigestContent,
    Paragraph,
    PhaseRun,
    Price,
    SectionName,
    SourceRef,
)
from openbell.products.digest.inputs import Candidate, DigestInputs
from openbell.products.digest.render_chart import chart
from openbell.products.digest.truth_text import line

PACKAGE = "openbell.products.digest"
EDITIONS = {"daily": "Daily digest", "weekly": "Weekly report"}
MOST_LISTED = 80
"""Articles that were not chosen are listed in mail 1 up to here."""
OUTCOMES = {
    "used": "used", "filtered": "filtered", "low_relevance": "low relevance", "duplicate": "duplicate",
    "unreachable": "could not be read", "model_error": "model error",
}  # fmt: skip
SIGNS = {"positive": "▲", "negative": "▼", "mixed": "◆", "neutral": "●"}
Numbers = dict[int, tuple[int, SectionName]]
"""Each source that readers see: its number, counted through the digest, and the section that lists it first."""
QUIET = "Nothing new was found about {name} between {begins} and {ends}."


@dataclass(frozen=True, slots=True)
class Cost:
    """What calls to one provider took, from the ledger."""

    provider: str
    operation: str
    calls: int
    cost_micro: int


def digest_letter(content: DigestContent, *, listed: bool = True) -> Letter:
    """Mail 3. The links to unsubscribe are put in for each recipient when it is sent; not ``listed`` it has none."""
    picture = chart(content.price.closes) if content.price else None
    return render(
        "digest",
        package=PACKAGE,
        subject=subject_of(content),
        images={"chart": Image("image/png", picture)} if picture else None,
        listed=listed,
        why=f"You get this because you follow {content.ticker}." if listed else "",
        **page_values(content),
    )


def page_values(content: DigestContent) -> dict[str, Any]:
    """What mail 3 and the page of a digest show, in words and figures."""
    shown = content.shown()
    numbers = _numbers(content, shown)
    top = content.summary
    return {
        "content": content,
        "title": f"{content.name} ({content.ticker})",
        "edition": EDITIONS[content.edition],
        "day": long_day(content.day),
        "window": f"{moment(content.begins, content.zone)} to {moment(content.ends, content.zone)}",
        "quiet": QUIET.format(
            name=content.name, begins=moment(content.begins, content.zone), ends=moment(content.ends, content.zone)
        ),
        "price": price_card(content.price),
        "weekly": content.edition == "weekly",
        "bottom_line": _point_view(top.bottom_line, content, numbers) if top.bottom_line else None,
        "points": [
            (title, [_point_view(one, content, numbers) for one in points])
            for title, points in (("What speaks for it", top.upside), ("What speaks against it", top.downside))
            if points and content.edition == "weekly"
        ],
        "sections": [_section_view(name, bullets, content, numbers) for name, bullets in shown],
        "filings": [one.model_copy(update={"url": safe_url(one.url)}) for one in content.filings if one.is_new],
        "made_by": made_by(content),
        "address": f"/digest/{content.ticker}/{content.day.isoformat()}?edition={content.edition}",
    }


def _numbers(content: DigestContent, shown: Sequence[tuple[SectionName, Sequence[Bullet]]]) -> Numbers:
    found: Numbers = {}
    for name, bullets in shown:
        for source in content.cited(bullets):
            found.setdefault(source.id, (len(found) + 1, name))
    return found


def _cites(
    bullets: Iterable[Bullet], content: DigestContent, numbers: Numbers, section: SectionName | None = None
) -> list[dict[str, Any]]:
    """The sources that carry some bullets, by their numbers, and where they stand: in this section, or the first."""
    known = sorted(numbers[one.id] for one in content.cited(bullets) if one.id in numbers)
    return [{"number": number, "at": f"{section or first}-{number}"} for number, first in known]


def _section_view(
    name: SectionName, bullets: Sequence[Bullet], content: DigestContent, numbers: Numbers
) -> dict[str, Any]:
    return {
        "name": name,
        "title": SECTIONS[name],
        "bullets": [bullet_view(one, content) | {"cites": _cites([one], content, numbers, name)} for one in bullets],
        "sources": sorted(
            (source_view(one, content.zone) | {"number": numbers[one.id][0]} for one in content.cited(bullets)),
            key=itemgetter("number"),
        ),
    }


def _point_view(point: Paragraph, content: DigestContent, numbers: Numbers) -> dict[str, Any]:
    carried = [one for one in content.bullets if one.bullet_id in point.bullets]
    return {"text": point.text, "cites": _cites(carried, content, numbers)}


def selection_letter(inputs: DigestInputs) -> Letter:
    """Mail 1."""
    chosen = [candidate_view(one, inputs.zone) for one in inputs.candidates if one.chosen]
    others = [one for one in inputs.candidates if not one.chosen]
    return render(
        "selection",
        package=PACKAGE,
        subject=f"[Selection] {inputs.ticker} {inputs.edition} {inputs.day.isoformat()}: {len(chosen)} chosen",
        why="You get this as an administrator.",
        inputs=inputs,
        title=f"{line(inputs.name, 120)} ({inputs.ticker})",
        edition=EDITIONS[inputs.edition],
        window=f"{moment(inputs.begins, inputs.zone)} to {moment(inputs.ends, inputs.zone)}",
        chosen=chosen,
        others=[candidate_view(one, inputs.zone) for one in others[:MOST_LISTED]],
        left_out=max(0, len(others) - MOST_LISTED),
        outcomes=[(OUTCOMES.get(name, name), count) for name, count in sorted(inputs.outcomes.items())],
        scorers=", ".join(inputs.scorers) or "nobody",
    )


def content_letter(
    inputs: DigestInputs, content: DigestContent, *, costs: Sequence[Cost] = (), review: Mapping[str, Any] | None = None
) -> Letter:
    """Mail 2. ``review`` is what the reviewer has found, where there is one already."""
    by_id = {one.id: one for one in content.sources}
    return render(
        "content",
        package=PACKAGE,
        subject=(
            f"[Content] {content.ticker} {content.edition} {content.day.isoformat()}: {content.counts.shown} of "
            f"{content.counts.bullets} bullets shown, {content.counts.marks} marks"
        ),
        why="You get this as an administrator.",
        content=content,
        title=f"{content.name} ({content.ticker})",
        edition=EDITIONS[content.edition],
        made_by=made_by(content),
        sections=[
            (SECTIONS[name], [_full_view(one, by_id, content) for one in content.bullets if one.section == name])
            for name in SECTIONS
            if any(one.section == name for one in content.bullets)
        ],
        runs=[_run_view(one) for one in content.runs],
        phases_cost=dollars(content.cost_micro),
        costs=[(one.provider, one.operation, one.calls, dollars(one.cost_micro)) for one in costs],
        total=dollars(sum(one.cost_micro for one in costs)) if costs else dollars(content.cost_micro),
        review=review,
        filings=inputs.filings,
    )


def render_html(content: DigestContent) -> str:
    """Mail 3 as HTML."""
    return digest_letter(content).html


def render_text(content: DigestContent, home: str) -> str:
    """What mail 3 says, without what is one recipient's own. ``home`` is where the pages are, or nothing."""
    return digest_letter(content, listed=False).text.replace(HOME, home)


def subject_of(content: DigestContent) -> str:
    """Of mail 3: from reference data and the calendar only, never from an article."""
    day = f"{content.day.day} {content.day:%b %Y}"
    return line(f"{content.name} ({content.ticker}): {EDITIONS[content.edition].lower()}, {day}", 150)


def made_by(content: DigestContent) -> str:
    """The AI mark and what stands behind the digest, counted by code."""
    counts = content.counts
    of = f"{counts.articles} article{'s' * (counts.articles != 1)} of {counts.publishers} publisher"
    of += "s" * (counts.publishers != 1)
    if not counts.articles:
        return "Nothing was written: there was no article."
    if content.models:
        return (
            f"Written by artificial intelligence ({' and '.join(content.models)}) from {of}. Each figure and name was "
            "checked against the articles that are cited; what they do not hold was left out."
        )
    return f"Extractive, no model: sentences of the sources, word for word, from {of}."


def price_card(price: Price | None) -> dict[str, Any] | None:
    """The figures of the price card, as they are written."""
    if price is None:
        return None
    rising = (price.change or price.percent or 0) >= 0
    moved = price.change is not None and price.percent is not None
    return {
        "close": money(price.close, price.currency),
        "last": money(price.closes[-1][1], price.currency) if price.closes else "",
        "arrow": "▲" if rising else "▼",
        "way": "gain" if rising else "loss",
        "word": "up" if rising else "down",
        "change": f"{signed(price.change or 0)} ({signed(price.percent or 0)} %)" if moved else "",
        "day": long_day(price.day),
        "low": money(price.low, price.currency),
        "high": money(price.high, price.currency),
        "begins": short_day(price.closes[0][0]) if price.closes else "",
        "ends": short_day(price.closes[-1][0]) if price.closes else "",
        "sessions": len(price.closes),
        "chart": len(price.closes) > 1,
        "synthetic": price.synthetic,
    }


def bullet_view(bullet: Bullet, content: DigestContent) -> dict[str, Any]:
    """A bullet as readers get it."""
    background = bullet.background
    filed = {one.accession: f"{one.form} of {short_day(one.filed)}" for one in content.filings}
    marks = []
    if background is not None:
        if background.sentiment != "neutral":
            marks.append(f"{SIGNS[background.sentiment]} {background.sentiment}")
        if background.impact == "high":
            marks.append("high impact")
        if background.relevance == "indirect":
            marks.append("indirect")
    if bullet.known is not None and bullet.known.action == "rewrite":
        marks.append("the new part")
    return {
        "id": bullet.bullet_id,
        "topic": bullet.topic,
        "text": bullet.text,
        "when": _span(bullet.first_day, bullet.last_day),
        "marks": " · ".join(marks),
        "reason": background.reason if background else "",
        "background": background.text if background else "",
        "filings": ", ".join(filed[one] for one in background.filings if one in filed) if background else "",
    }


def source_view(source: SourceRef, zone: str) -> dict[str, Any]:
    """A source under its section: the link, who, when, and its marks."""
    marks = []
    if source.is_new:
        marks.append("new")
    if source.quality is not None:
        marks.append(f"quality {source.quality:.0f}/10")
    if source.paywalled:
        marks.append("paywall")
    return {
        "title": source.title,
        "url": safe_url(source.url),
        "publisher": source.publisher,
        "when": moment(source.published_at, zone) if source.published_at else "undated",
        "marks": " · ".join(marks),
    }


def candidate_view(one: Candidate, zone: str) -> dict[str, Any]:
    """A candidate of mail 1."""
    scores = " · ".join(f"{name} {score:.1f}" for name, score in sorted(one.scores.items()))
    return {
        "title": line(one.title, 200),
        "url": safe_url(one.url),
        "publisher": line(one.publisher, 80),
        "when": moment(one.published_at, zone) if one.published_at else "undated",
        "category": one.category.replace("_", " ") + (f", {one.direction}" if one.direction else ""),
        "subject": line(one.subject, 60),
        "scores": scores or "no score",
        "outcome": OUTCOMES.get(one.outcome, one.outcome),
        "reason": line(one.reason, 160),
    }


def _full_view(bullet: Bullet, by_id: Mapping[int, SourceRef], content: DigestContent) -> dict[str, Any]:
    """A bullet of mail 2, with all that is known of it."""
    background, known, twin = bullet.background, bullet.known, bullet.twin
    facts = [("id", bullet.bullet_id), ("shown", f"no: {bullet.dropped}" if bullet.dropped else "yes")]
    if background is not None:
        facts.append(("context", f"{background.impact} impact, {background.sentiment}, {background.relevance}"))
    if background is not None and background.entity:
        facts.append(("about", background.entity))
    if known is not None:
        facts.append(("known", known.action + (f" ({', '.join(known.filings)})" if known.filings else "")))
    if twin.role == "primary":
        facts.append(("absorbs", ", ".join(twin.absorbs)))
    if twin.role == "duplicate":
        facts.append(("duplicate", f"of {twin.absorbed_by}: {twin.why}"))
    if bullet.keywords:
        facts.append(("keywords", ", ".join(bullet.keywords)))
    facts += [(f"look up in {form}", words) for form, words in bullet.hints.items()]
    return bullet_view(bullet, content) | {
        "content": bullet.content,
        "facts": facts,
        "sources": [source_view(by_id[one], content.zone) for one in bullet.sources if one in by_id],
    }


def _run_view(run: PhaseRun) -> dict[str, str]:
    who = f"{run.provider} {run.model}" if run.model else run.way
    told = [run.prompt or "", "kept answer" if run.cached else "", run.note]
    told += [f"{one.provider} {one.model}: {one.code.replace('_', ' ')}" for one in run.failures]
    return {
        "phase": run.phase,
        "who": who,
        "note": "; ".join(filter(None, told)),
        "tokens": f"{run.input_tokens + run.output_tokens:,}" if run.model and not run.cached else "–",
        "cost": dollars(run.cost_micro) if run.cost_micro is not None else "not known",
    }


def safe_url(url: str) -> str:
    """The address, when it is one of the web; empty otherwise. Nothing else ever becomes a link."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return ""
    plain = url.isprintable() and not re.search(r"[\s\"'<>`\\{}|^]|%%", url)
    return url if plain and parts.scheme in ("http", "https") and parts.hostname else ""


def money(amount: float, currency: str | None) -> str:
    """An amount with two digits; dollars by their sign, other currencies by their code."""
    digits = f"{abs(amount):,.2f}" if abs(amount) >= 1 or amount == 0 else f"{abs(amount):,.4f}"
    minus = "−" if amount < 0 else ""
    return f"{minus}${digits}" if currency == "USD" else f"{minus}{digits}{f' {currency}' if currency else ''}"


def signed(amount: float) -> str:
    """With its sign, a true minus, and two digits."""
    return f"{'+' if amount >= 0 else '−'}{abs(amount):,.2f}"


def dollars(micro: int) -> str:
    """Micro-dollars as dollars: to the cent, or as small as it is."""
    return f"${micro / 1_000_000:,.2f}" if micro >= 1_000_000 or micro == 0 else f"${micro / 1_000_000:.4f}"


def long_day(day: date) -> str:
    """Tuesday, 24 November 2026."""
    return f"{day:%A}, {day.day} {day:%B %Y}"


def short_day(day: date) -> str:
    """24 Nov 2026."""
    return f"{day.day} {day:%b %Y}"


def moment(when: datetime, zone: str) -> str:
    """24 Nov, 06:00 EST."""
    local = when.astimezone(ZoneInfo(zone))
    return f"{local.day} {local:%b, %H:%M %Z}"


def _span(first: date | None, last: date | None) -> str:
    if first is None or last is None:
        return ""
    return short_day(last) if first == last else f"{short_day(first)} to {short_day(last)}"
