"""Which articles a digest is made of: scores from 0 to 10, merged by code, capped by category (DG-12). Pure.

The scorer here looks at titles: is it about the subject, how new is it, who prints it, has it been told. Another scorer
is a model; either may be missing, and the same scores always choose the same articles.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from openbell.products.digest.addresses import nearly, title_key
from openbell.products.digest.ingest import Standing
from openbell.products.digest.inputs import Outcome

CAPS: Mapping[str, int] = {"company": 20, "industry": 8, "competitor": 5, "upstream": 5, "downstream": 5}
"""How many articles are chosen: of the company together, of each keyword, of each competitor, of each way along the
chain together."""
LEAST_SCORE = 3.0
WEIGHTS: Mapping[str, float] = {"titles": 1.0, "model": 1.5}
HALF_LIFE_H = 36.0

KNOWN_SOURCES: Mapping[str, float] = {
    "reuters.com": 1.0, "apnews.com": 1.0, "bloomberg.com": 1.0, "wsj.com": 1.0, "ft.com": 1.0, "sec.gov": 1.0,
    "cnbc.com": 0.85, "nytimes.com": 0.9, "barrons.com": 0.85, "marketwatch.com": 0.75, "economist.com": 0.9,
    "nikkei.com": 0.9, "bbc.co.uk": 0.9, "bbc.com": 0.9, "theguardian.com": 0.8, "businesswire.com": 0.8,
    "prnewswire.com": 0.8, "globenewswire.com": 0.8, "finance.yahoo.com": 0.6, "techcrunch.com": 0.7,
    "investors.com": 0.6, "fool.com": 0.3, "zacks.com": 0.35, "benzinga.com": 0.4, "seekingalpha.com": 0.4,
    "investorplace.com": 0.25, "247wallst.com": 0.25, "simplywall.st": 0.25, "marketbeat.com": 0.2,
}  # fmt: skip
"""How much a source's word counts, 0 to 1: agencies and papers with their own reporters above, comment and machine-made
texts below. Ours to judge, and only one part of four of one scorer."""
USUAL_SOURCE = 0.55

_SUBSTANCE = re.compile(
    r"\d|\b(earnings|results|revenue|profit|guidance|forecast|outlook|acqui|merger|buyout|stake|recall|lawsuit|sues?|"
    r"settle|fine[ds]?|probe|investigat|approv|launch|unveil|contract|order|plant|factory|layoff|job cuts|ceo|cfo|"
    r"resign|appoint|dividend|buyback|split|downgrade|upgrade|price target|rating|tariff|strike|outage|breach|patent)",
    re.IGNORECASE,
)


@dataclass(slots=True)
class Scored:
    """An article that stands, what each scorer gives it, and what has become of it so far."""

    article: Standing
    scores: dict[str, float] = field(default_factory=dict)
    total: float = 0.0
    outcome: Outcome | None = None
    reason: str = ""

    @property
    def chosen(self) -> bool:
        """Whether nothing has spoken against it."""
        return self.outcome is None


def names_in(text: str, names: Sequence[str]) -> bool:
    """Whether a text names any of some companies or keywords, as whole words: names as they are written, so that Apple
    is not an apple; symbols of up to four letters only as symbols are, `(NET)`, `NYSE: NET`, `$NET`; keywords in lower
    case in any case.
    """
    for name in names:
        if name.isupper() and len(name) <= 4 and name.isalpha():
            if re.search(rf"(?:\(|\$|:\s?){re.escape(name)}\b", text):
                return True
        elif name and re.search(rf"(?<!\w){re.escape(name)}(?!\w)", text, re.IGNORECASE if name.islower() else 0):
            return True
    return False


def score_title(
    article: Standing, names: Sequence[str], now: datetime, *, told: Sequence[str], reliability: Mapping[str, float]
) -> float:
    """0 to 10 by what can be seen without reading. ``names`` are those of its subject, ``told`` title keys of earlier
    digests, ``reliability`` by domain the share of its pages that could be read.
    """
    if names_in(article.title, names):
        entity = 1.0
    else:
        entity = 0.55 if names_in(article.summary, names) else 0.1
    age_h = max(0.0, (now - article.published_at).total_seconds() / 3600) if article.published_at else HALF_LIFE_H
    recency = float(0.5 ** (age_h / HALF_LIFE_H))
    source = KNOWN_SOURCES.get(article.domain or "", USUAL_SOURCE)
    source *= 0.5 + 0.5 * reliability.get(article.domain or "", 1.0)
    novelty = 0.0 if any(nearly(article.title_key, one) for one in told) else 0.5
    novelty += 0.5 if _SUBSTANCE.search(article.title) else 0.0
    return round(10.0 * (0.45 * entity + 0.2 * recency + 0.15 * source + 0.2 * novelty), 2)


def merge(scores: Mapping[str, float]) -> float:
    """One score of those that there are, by their weights; 0 of none."""
    known = {name: score for name, score in scores.items() if name in WEIGHTS}
    if not known:
        return 0.0
    weight = sum(WEIGHTS[name] for name in known)
    return round(sum(WEIGHTS[name] * score for name, score in known.items()) / weight, 3)


def rank(scored: Sequence[Scored]) -> list[Scored]:
    """Best first; of equals the newer one, then the one that was stored first."""

    def place(one: Scored) -> tuple[float, float, int]:
        published = one.article.published_at
        return (-one.total, -(published.timestamp() if published else 0.0), one.article.id)

    return sorted(scored, key=place)


def sort_out(standing: Sequence[Standing]) -> list[Scored]:
    """What need not be scored gets its outcome: spam, and what an earlier digest has told."""
    found = []
    for article in standing:
        one = Scored(article)
        if article.spam:
            one.outcome, one.reason = "filtered", f"spam: {article.spam}"
        elif article.told:
            one.outcome, one.reason = "duplicate", f"told on {article.told}"
        found.append(one)
    return found


def choose(scored: Sequence[Scored]) -> list[Scored]:
    """The chosen, best first, after totals, twins and caps; the others get their outcome and reason in place."""
    for one in scored:
        one.total = merge(one.scores)
    chosen: list[Scored] = []
    taken: Counter[tuple[str, str]] = Counter()
    for one in rank([one for one in scored if one.chosen]):
        group = _group(one.article)
        twin = next((other for other in chosen if nearly(other.article.title_key, one.article.title_key)), None)
        if one.total < LEAST_SCORE:
            one.outcome, one.reason = "filtered", f"score {one.total:g} is below {LEAST_SCORE:g}"
        elif twin is not None:
            one.outcome, one.reason = "duplicate", f"says what article {twin.article.id} says"
        elif taken[group] >= CAPS[group[0]]:
            one.outcome, one.reason = "filtered", f"beyond the {CAPS[group[0]]} of {' '.join(filter(None, group))}"
        else:
            taken[group] += 1
            chosen.append(one)
    return chosen


def _group(article: Standing) -> tuple[str, str]:
    """What the caps count together."""
    if article.category == "company":
        return ("company", "")
    if article.category == "value_chain":
        return (article.direction or "upstream", "")
    return (article.category, article.subject)


def reliability_of(rows: Sequence[tuple[str, int, int]]) -> dict[str, float]:
    """By domain the share of pages that could be read, of those with at least five tries: (domain, good, bad)."""
    return {domain: good / (good + bad) for domain, good, bad in rows if good + bad >= 5}


def told_keys(titles: Sequence[str]) -> list[str]:
    """Titles of earlier digests as they are compared."""
    return [title_key(title) for title in titles]
