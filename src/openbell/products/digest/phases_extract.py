"""A digest without any model: sentences of the sources, chosen by rules, with their numbers and dates as they stand.

Labelled "extractive, no model". It is also what becomes of a phase whose models gave no usable answer.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from openbell.products.digest.content import Background, Bullet, Paragraph, SectionName, Sentiment, Summary
from openbell.products.digest.inputs import ArticleInput, DigestInputs
from openbell.products.digest.truth import folded, mixed_script
from openbell.products.digest.truth_figures import figures
from openbell.products.digest.truth_text import LINK, clean, cut, line, sentences, steers
from openbell.products.digest.truth_words import DOWN, UP

SHORTEST, LONGEST = 40, 360
PER_ARTICLE = {"daily": 2, "weekly": 3}
LOOKED_AT = 40
"""Sentences of an article that are looked at; news stands at the top."""

_SIGN_WORDS: dict[SectionName, str] = {
    "risks": r"""lawsuits?|sued|probe|investigat\w+|recalls?|fined?|penalt\w+|tariffs?|antitrust|breach\w*|strikes?|
        shortages?|warn(?:s|ed|ing)|bans?|banned|layoffs?|fraud|subpoena\w*|default|bankrupt\w*|delays?|delayed""",
    "catalysts": r"""will\ (?:report|hold|release|launch|present|host|vote)|scheduled|is\ due|due\ on|upcoming|
        next\ (?:week|month|quarter)|expected\ (?:to|in|on|by)|deadline|conference\ call""",
    "performance": r"""revenues?|profits?|earnings|sales|margins?|guidance|per\ share|deliveries|orders|cash\ flow|
        dividends?|buybacks?|repurchas\w+|net\ (?:income|loss)|operating\ (?:income|loss)|backlog""",
    "street": r"""analysts?|price\ targets?|rating|upgrad\w+|downgrad\w+|overweight|underweight|outperform|valuation|
        shares\ (?:rose|fell|gained|lost|jumped|slid|climbed|dropped|traded|closed)|short\ interest|options""",
}
_SIGNS = {name: re.compile(rf"\b(?:{words})\b", re.I | re.X) for name, words in _SIGN_WORDS.items()}


def extract(inputs: DigestInputs, articles: Sequence[ArticleInput], texts: Mapping[int, str]) -> list[Bullet]:
    """Bullets of these articles, in their order, without ids yet."""
    names = {word for name in (inputs.ticker, inputs.name, *inputs.aliases) for word in folded(name)[:1]}
    found: list[Bullet] = []
    for article in articles:
        about = names if article.category == "company" else names | set(folded(article.subject))
        chosen = _best(texts.get(article.id, article.summary), about)[: PER_ARTICLE[inputs.edition]]
        found += [
            Bullet(
                bullet_id="",
                section=section_of(sentence, article),
                topic=topic_of(article),
                content=sentence,
                sources=[article.id],
            )
            for sentence in chosen
        ]
    return found


def _best(text: str, about: set[str]) -> list[str]:
    """The sentences that tell most, best first; none that does not name whom it is about."""
    scored = []
    for place, sentence in enumerate(sentences(clean(text))[:LOOKED_AT]):
        if not usable(sentence) or not about & set(folded(sentence)):
            continue
        told = min(len(figures(sentence)), 4)
        signs = sum(bool(pattern.search(sentence)) for pattern in _SIGNS.values())
        scored.append((-(2 * told + signs + max(0, 3 - place)), place, sentence))
    return [sentence for _, _, sentence in sorted(scored)]


def usable(sentence: str) -> bool:
    """Whether a sentence of a stranger may be quoted: whole, plain, of a reporter."""
    whole = SHORTEST <= len(sentence) <= LONGEST and sentence[:1].isupper() and sentence.rstrip("\"'”’)")[-1:] in ".!?"
    return (
        whole and LINK not in sentence and "?" not in sentence and not steers(sentence) and not mixed_script(sentence)
    )


def section_of(sentence: str, article: ArticleInput) -> SectionName:
    """The section by the words of the sentence; what is about others belongs to the industry."""
    if article.category != "company":
        return "industry"
    return next((name for name, pattern in _SIGNS.items() if pattern.search(sentence)), "developments")


def topic_of(article: ArticleInput) -> str:
    """The headline, as plain text; the subject where the headline is none."""
    title = line(article.title, 90)
    return title if title and not steers(title) and not mixed_script(title) else line(article.subject, 60)


def sentiment_of(text: str) -> Sentiment:
    """By the words that say which way things go."""
    words = set(folded(text))
    up, down = len(words & UP), len(words & DOWN)
    if not up and not down:
        return "neutral"
    return "mixed" if up == down else "positive" if up > down else "negative"


def background_of(bullet: Bullet, articles: Mapping[int, ArticleInput]) -> Background:
    """Phase 2 by rules: relevance by the category of the sources, sentiment by words, no words of filings."""
    direct = any(articles[one].category == "company" for one in bullet.sources if one in articles)
    return Background(
        impact="medium", sentiment=sentiment_of(bullet.content), relevance="direct" if direct else "indirect"
    )


def summary_of(shown: Sequence[Bullet]) -> Summary:
    """Phase 4 by rules: the first sentences of the first bullets, and those of one sentiment."""
    if not shown:
        return Summary()

    def first(bullet: Bullet) -> Paragraph:
        said = sentences(bullet.text)
        return Paragraph(text=cut(said[0], LONGEST) if said else bullet.text, bullets=[bullet.bullet_id])

    lead = [first(one) for one in shown[:2]]
    line_ = Paragraph(text=" ".join(one.text for one in lead), bullets=[one for part in lead for one in part.bullets])
    by_way: dict[str, list[Paragraph]] = {"positive": [], "negative": []}
    for one in shown:
        way = one.background.sentiment if one.background else sentiment_of(one.content)
        if way in by_way and len(by_way[way]) < 3:
            by_way[way].append(first(one))
    return Summary(bottom_line=line_, upside=by_way["positive"], downside=by_way["negative"])
