"""The invented articles: a pure function of topic and day, so that every address works for ever and nothing is stored.

    story      something that happened (not): its facts, its category; 1 to 4 papers print it
    article    one paper's version of a story: a copy of the wire, or written anew with the same facts

A company has 60 to 100 articles in a week, those of its sector and the irrelevant ones that its name attracts included.
"""

from __future__ import annotations

import hashlib
import random
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from uuid import UUID

from openbell.sandbox.news import phrases
from openbell.sandbox.news.phrases import Beat
from openbell.sandbox.news.subjects import BY_SECTOR, MACRO, PUBLISHERS, SECTOR_WORDS, TOPICS, Publisher, Topic

FIRST_DAY = date(2020, 1, 1)
LAST_DAY = date(2200, 1, 1)
DAYS_KEPT = 4_096  # of all topics together
_CATEGORY_WEIGHTS = {"earnings": 4, "product": 5, "legal": 2}
_WEEKS_PER_QUARTER = 13
_MACRO_WEEKDAY = 2
_BACKGROUND_SENTENCES = 7
_PAPERS_PER_STORY = (2, 1, 3, 1, 4)  # of a company, in turn: so that the number of articles in a week varies little


@dataclass(frozen=True, slots=True)
class Article:
    """One paper's version of a story.

    key        topic index, day and number: what its addresses are made of
    story      the same for all versions of one story
    category   earnings, product, legal, sector, macro or unrelated
    published  aware, UTC, whole seconds
    """

    key: tuple[int, int, int]
    story: str
    category: str
    topic: Topic
    publisher: Publisher
    headline: str
    paragraphs: Sequence[str]
    published: datetime

    @property
    def summary(self) -> str:
        """The first paragraph."""
        return self.paragraphs[0]

    @property
    def uuid(self) -> UUID:
        """Its identity, opaque."""
        return _seal(self.key)

    @property
    def slug(self) -> str:
        """The headline as part of an address."""
        return re.sub(r"[^a-z0-9]+", "-", self.headline.lower()).strip("-")[:60].rstrip("-")

    @property
    def path(self) -> str:
        """Its path on its publisher's site."""
        return f"{self.published:%Y/%m/%d}/{self.slug}-{self.uuid.hex}"

    @property
    def text(self) -> str:
        """Everything a search looks at, lower case."""
        return f"{self.headline} {' '.join(self.paragraphs)} {self.publisher.name}".lower()


def by_uuid(uuid: UUID) -> Article | None:
    """The article that bears this identity; None for one that never was."""
    key = _unseal(uuid)
    if key is None or key[0] >= len(TOPICS) or not FIRST_DAY.toordinal() <= key[1] < LAST_DAY.toordinal():
        return None
    articles = of_day(TOPICS[key[0]], date.fromordinal(key[1]))
    return articles[key[2]] if key[2] < len(articles) else None


def between(topics: Sequence[Topic], after: datetime, until: datetime) -> list[Article]:
    """The articles of some topics with after < published <= until, newest first. Only 2020 to 2199 have any."""
    day, last = max(FIRST_DAY, after.date()), min(LAST_DAY - timedelta(days=1), until.date())
    found: list[Article] = []
    while day <= last:
        for topic in topics:
            found += [article for article in of_day(topic, day) if after < article.published <= until]
        day += timedelta(days=1)
    return sorted(found, key=lambda article: (article.published, article.key), reverse=True)


def around(topic: Topic) -> list[Topic]:
    """A company, its sector and the economy: what a reader of its feed gets."""
    sector = BY_SECTOR.get(topic.sector)
    return [topic, *([sector] if sector else []), MACRO] if topic.kind == "company" else [topic]


@lru_cache(DAYS_KEPT)
def of_day(topic: Topic, day: date) -> tuple[Article, ...]:
    """A topic's articles of one UTC day, in the order of their numbers."""
    rng = random.Random(f"news {topic.index} {topic.full_name} {day}")  # noqa: S311 - texts, not secrets
    articles: list[Article] = []
    for number, beat in enumerate(_beats(rng, topic, day)):
        articles += _versions(rng, topic, day, number, beat, len(articles))
    return tuple(articles)


def _beats(rng: random.Random, topic: Topic, day: date) -> Iterator[Beat]:
    """What happens on a day."""
    weekend = day.weekday() > 4
    if topic.kind == "macro":
        *monthly, oil = phrases.MACRO_BEATS
        yield oil
        if day.weekday() == _MACRO_WEEKDAY:
            yield monthly[day.toordinal() // 7 % len(monthly)]
        return
    if topic.kind == "sector":
        yield from rng.sample(phrases.SECTOR_BEATS, 1 if weekend else 2)
        return
    if _reports_on(topic, day):
        yield phrases.RESULTS
    bag = [
        beat for name, beats in phrases.COMPANY_BEATS.items() for beat in beats for _ in range(_CATEGORY_WEIGHTS[name])
    ]
    rng.shuffle(bag)
    yield from list(dict.fromkeys(bag))[: 2 if weekend else 5]
    if topic.decoys:
        yield rng.choice(phrases.DECOYS[topic.decoys])


def _reports_on(topic: Topic, day: date) -> bool:
    """Once a quarter, on a Tuesday, Wednesday or Thursday."""
    week = day.toordinal() // 7
    return week % _WEEKS_PER_QUARTER == topic.index % _WEEKS_PER_QUARTER and day.weekday() == 1 + topic.index % 3


def _versions(rng: random.Random, topic: Topic, day: date, number: int, beat: Beat, first: int) -> Iterator[Article]:
    """The papers that print a story: the first writes it, others copy it or write it anew."""
    facts = _facts(rng, topic, day)
    unrelated = beat.category == "unrelated"
    count = _PAPERS_PER_STORY[number % len(_PAPERS_PER_STORY)] if topic.kind == "company" else rng.randint(1, 2)
    papers = rng.sample(PUBLISHERS, 1 if unrelated else count)
    papers.sort(key=lambda paper: not paper.wire)
    at = datetime.combine(day, time(), UTC) + timedelta(seconds=rng.randrange(6 * 3600, 20 * 3600))
    background = _background(beat)
    original = _written(rng, beat, facts, background)
    for version, paper in enumerate(papers):
        headline, paragraphs = original
        if version and rng.random() < 0.5:
            headline, paragraphs = _copied(rng, original, papers[0])
        elif version:
            headline, paragraphs = _written(rng, beat, facts, background)
        yield Article(
            key=(topic.index, day.toordinal(), first + version),
            story=f"{topic.index}-{day}-{number}",
            category=beat.category,
            topic=topic,
            publisher=paper,
            headline=headline,
            paragraphs=paragraphs,
            published=at,
        )
        at += timedelta(seconds=rng.randrange(120, 3600))


def _background(beat: Beat) -> Sequence[str]:
    """The sentences that fit any story of the kind."""
    if beat.category == "unrelated":
        return ()
    if beat.category in ("sector", "macro"):
        return phrases.BACKGROUND
    return (*phrases.BACKGROUND, *phrases.COMPANY_BACKGROUND)


def _written(
    rng: random.Random, beat: Beat, facts: Mapping[str, str], background: Sequence[str]
) -> tuple[str, tuple[str, ...]]:
    details = rng.sample(beat.details, rng.randint(3, len(beat.details)))
    more = rng.sample(background, min(len(background), _BACKGROUND_SENTENCES))
    sentences = [rng.choice(beat.leads), *details, *more, *beat.closings]
    filled = [sentence.format_map(facts) for sentence in sentences]
    paragraphs = [filled[0], *(" ".join(filled[i : i + 2]) for i in range(1, len(filled), 2))]
    return rng.choice(beat.headlines).format_map(facts), tuple(paragraphs)


def _copied(
    rng: random.Random, original: tuple[str, tuple[str, ...]], source: Publisher
) -> tuple[str, tuple[str, ...]]:
    """A near duplicate: the same text with a credit, a shorter end or a prefix."""
    headline, paragraphs = original
    headline = rng.choice((headline, headline, f"UPDATE 1-{headline}", f"{headline} - report"))
    kept = paragraphs if rng.random() < 0.6 else paragraphs[:-1]
    return headline, (*kept, f"({source.name} contributed to this report.)")


def _facts(rng: random.Random, topic: Topic, day: date) -> dict[str, str]:
    """What the slots of one story say; all its versions agree."""
    up = rng.random() < 0.58
    facts = _words(up=up) | _numbers(rng, topic, day, up=up) | _names(rng)
    product = rng.choice(topic.products) if topic.products else "main product"
    word = SECTOR_WORDS.get(topic.sector, "")
    partner = facts["partner"]
    return facts | {
        "name": topic.name,
        "Name": topic.name[:1].upper() + topic.name[1:],
        "full": topic.full_name,
        "symbol": topic.symbol,
        "product": product,
        "word": word,
        "Word": word.capitalize(),
        "members": _members(rng, topic),
        "winner": topic.name if up else partner,
        "weekday": f"{min(day, day - timedelta(days=day.weekday() - 4)):%A}",  # nothing is traded on a weekend
    }


def _words(*, up: bool) -> dict[str, str]:
    """The words for better or worse."""
    good, bad = {}, {}
    for name, better, worse in (
        ("rose", "rose", "fell"),
        ("rise", "rise", "fall"),
        ("risen", "risen", "fallen"),
        ("move", "up", "down"),
        ("moved", "rose", "fell"),
        ("above", "above", "below"),
        ("beats", "beats", "misses"),
        ("raise", "raise", "cut"),
        ("raises", "raises", "cuts"),
        ("raised", "raised", "cut"),
        ("strong", "strong", "mixed"),
        ("largest", "largest", "weakest"),
    ):
        good[name], bad[name] = better, worse
    return good if up else bad


def _numbers(rng: random.Random, topic: Topic, day: date, *, up: bool) -> dict[str, str]:
    """What differs from story to story lies close to the figures of the company and its quarter."""
    quarter = random.Random(f"{topic.full_name} {day.toordinal() // 7 // _WEEKS_PER_QUARTER}")  # noqa: S311
    revenue = topic.size * quarter.uniform(0.92, 1.08) * rng.uniform(0.99, 1.01)
    eps = quarter.uniform(0.4, 4.0)
    target = round(quarter.uniform(40, 700) * rng.uniform(0.93, 1.07))
    margin = quarter.uniform(31, 64)
    sign = 1 if up else -1
    return {
        "pct": f"{rng.uniform(1.5, 24):.1f}",
        "pct2": f"{rng.uniform(0.3, 7.9):.1f}",
        "small": f"{rng.uniform(1.1, 6.9):.1f}",
        "tiny": f"{rng.uniform(0.1, 0.6):.1f}",
        "yield_": f"{rng.uniform(2.5, 5.0):.2f}",
        "revenue": _dollars(revenue),
        "guide_low": _dollars(revenue * 3.9),
        "guide_high": _dollars(revenue * 4.15),
        "cash": _dollars(revenue * rng.uniform(0.05, 0.15)),
        "amount": _dollars(revenue * rng.uniform(0.01, 0.2)),
        "cash_small": f"${rng.randrange(5, 60)},000",
        "eps": f"{eps:.2f}",
        "eps_expected": f"{max(0.05, eps - sign * rng.uniform(0.02, 0.2)):.2f}",
        "target_old": str(target),
        "target_new": str(target + sign * rng.randint(3, 30)),
        "margin": f"{margin:.1f}",
        "margin_before": f"{margin - sign * rng.uniform(0.3, 2.5):.1f}",
        "price": str(rng.choice((79, 149, 199, 249, 329, 499, 649, 1299))),
        "price_before": str(rng.choice((69, 129, 179, 299, 599))),
        "price_small": str(rng.randint(4, 18)),
        "price_oil": f"{quarter.uniform(58, 96) * rng.uniform(0.97, 1.03):.2f}",
        "units": f"{rng.randint(20, 900)},000",
        "people": f"{rng.randint(1, 9)},{rng.randint(1, 9)}00",
        "count": str(rng.randint(8, 24)),
        "count_few": str(rng.randint(2, 7)),
        "months": str(rng.randint(2, 9)),
        "days": str(rng.choice((14, 21, 30, 45, 60))),
    }


def _names(rng: random.Random) -> dict[str, str]:
    return {
        "house": rng.choice(phrases.HOUSES),
        "analyst": rng.choice(phrases.ANALYSTS),
        "speaker": rng.choice(phrases.SPEAKERS),
        "partner": rng.choice(phrases.PARTNERS),
        "city": rng.choice(phrases.CITIES),
        "regulator": rng.choice(phrases.REGULATORS),
        "rating": rng.choice(phrases.RATINGS),
        "quarter": rng.choice(phrases.QUARTERS),
    }


def _members(rng: random.Random, topic: Topic) -> str:
    """Up to four companies of a sector, with their symbols."""
    if topic.kind != "sector":
        return "several companies"
    members = [other for other in TOPICS if other.kind == "company" and other.sector == topic.sector]
    named = [f"{other.name} ({other.symbol})" for other in rng.sample(members, min(4, len(members)))]
    return " and ".join([", ".join(named[:-1]), named[-1]] if len(named) > 1 else named)


def _dollars(billions: float) -> str:
    return f"${billions:.1f} billion" if billions >= 1 else f"${billions * 1000:.0f} million"


def _seal(key: tuple[int, int, int]) -> UUID:
    """Eight bytes that say where, masked by the hash of eight bytes that prove it."""
    plain = key[0].to_bytes(2, "big") + key[1].to_bytes(4, "big") + key[2].to_bytes(2, "big")
    proof = _hash(plain)
    return UUID(bytes=bytes(a ^ b for a, b in zip(plain, _hash(proof), strict=True)) + proof)


def _unseal(uuid: UUID) -> tuple[int, int, int] | None:
    head, proof = uuid.bytes[:8], uuid.bytes[8:]
    plain = bytes(a ^ b for a, b in zip(head, _hash(proof), strict=True))
    if _hash(plain) != proof:
        return None
    return int.from_bytes(plain[:2], "big"), int.from_bytes(plain[2:6], "big"), int.from_bytes(plain[6:], "big")


def _hash(part: bytes) -> bytes:
    return hashlib.blake2b(part, digest_size=8).digest()
