"""Whether a sentence says what its sources say. Pure: text in, verdict out; no model, no clock, no database.

Every figure must match one of the sources or of the stored facts, in kind, unit, currency and within its own rounding;
every name must stand in them; a figure must go the way that it goes there (up or down). Sentences with links, with
letters of two scripts in one word, or that speak to machines are not let through, whatever they say.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property, lru_cache
from typing import NamedTuple

from openbell.products.digest.content import Mark, MarkKind
from openbell.products.digest.truth_figures import Figure, figures, flat
from openbell.products.digest.truth_text import LINK, clean, cut, sentences, steers, without_links
from openbell.products.digest.truth_words import DOWN, HARMLESS, SAYING, UP

WEEK = timedelta(days=7)
LONGEST = 1_000
"""Characters of a sentence; what is longer is none."""
NEAR = 200
NEAR_WORDS = 6
"""How far from a figure the word may stand that says which way it goes."""

_TOKEN = re.compile(r"[^\W_]+(?:[.&'’\-][^\W_]+)*", re.UNICODE)
_TICKER = re.compile(
    r"(?:\b(?:NYSE(?:\s*American)?|NASDAQ|Nasdaq|AMEX|TSX|LSE|OTC|CBOE)\s*[:\-]\s*|\$|\()(?P<t>(?!(?:NYSE|NASDAQ|AMEX|TSX|LSE|OTC|CBOE)\b)[A-Z][A-Z0-9]{0,5}(?:[.\-][A-Z])?)\b"
)
_WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_ROMANS = frozenset(("I", "II", "III", "IV", "V", "VI", "VII", "VIII", "IX", "X"))


class Fault(NamedTuple):
    """What is wrong with a sentence, and the piece of it that is."""

    kind: MarkKind
    piece: str
    why: str


@dataclass(frozen=True)
class Evidence:
    """What a text may say: the words of its sources, facts of ours, and when the sources were published.

    ``names`` are companies and tickers of the reference data; they may be named whether or not a source does.
    """

    texts: Sequence[str]
    facts: Sequence[str] = ()
    names: Sequence[str] = ()
    days: Sequence[date] = ()

    @cached_property
    def figures(self) -> list[tuple[str, Figure]]:
        """Every figure of the sources with the text that it stands in."""
        return [one for text in (*self.texts, *self.facts) for one in _figures_of(text)]

    @cached_property
    def words(self) -> frozenset[str]:
        """Every word of sources, facts and names, folded."""
        return frozenset().union(*(_words_of(text) for text in (*self.texts, *self.facts, *self.names)))

    @cached_property
    def own(self) -> frozenset[str]:
        """The names and tickers of the reference data that may be named."""
        return frozenset(self.names)

    @cached_property
    def weekdays(self) -> frozenset[str]:
        """The days of the week that sources name."""
        return self.words & frozenset(_WEEKDAYS)


@lru_cache(maxsize=256)
def _figures_of(text: str) -> tuple[tuple[str, Figure], ...]:
    """The figures of a source, read once: many bullets cite the same one."""
    plain = flat(text)
    return tuple((plain, figure) for figure in figures(text))


@lru_cache(maxsize=256)
def _words_of(text: str) -> frozenset[str]:
    return frozenset(folded(text))


def folded(text: str) -> list[str]:
    """Words without case, possessives and inner points: ``U.S.`` and ``US`` are one."""
    found = []
    for token in _TOKEN.findall(unicodedata.normalize("NFKC", text)):
        word = token.casefold().replace("’", "'").removesuffix("'s").replace(".", "")
        found.append(word)
        if "-" in word or "&" in word:
            found += [part for part in re.split(r"[-&]", word) if part]
    return found


def verified(text: str, evidence: Evidence, where: str, *, most: int = 1_200) -> tuple[str, list[Mark]]:
    """The sentences that are carried, as one text, and a mark for each that is not."""
    kept, marks = [], []
    for sentence in sentences(clean(text, 20_000)):
        found = faults(sentence, evidence)
        if not found:
            kept.append(sentence)
        marks += [
            Mark(where=where, kind=one.kind, text=cut(without_links(sentence), 300), detail=one.why, action="dropped")
            for one in found[:1]
        ]
    return cut(" ".join(kept), most), marks


def faults(sentence: str, evidence: Evidence) -> list[Fault]:
    """What is wrong with one cleaned sentence; the gravest first."""
    if LINK in sentence:
        return [Fault("link", "", "holds a link; links lead to stored sources only")]
    if steers(sentence):
        return [Fault("instruction", "", "speaks to a machine or sells something")]
    if word := mixed_script(sentence):
        return [Fault("script", word, f"{word!r} mixes letters of two scripts")]
    if len(sentence) > LONGEST:
        return [Fault("markup", sentence[:40], "is too long for a sentence")]
    if len(re.findall(r"[^\W\d_]", sentence)) < 2:
        return [Fault("markup", sentence[:40], "holds no words")]
    return [*figure_faults(sentence, evidence), *name_faults(sentence, evidence)]


def figure_faults(sentence: str, evidence: Evidence) -> list[Fault]:
    """Figures that no source holds, and those that go the other way there."""
    found = []
    plain = flat(sentence)
    for figure in figures(sentence):
        carrying = [(text, theirs) for text, theirs in evidence.figures if matches(figure, theirs)]
        if not carrying and not _calendar_matches(figure, evidence):
            found.append(Fault("number", figure.text, f"{figure.text!r} stands in no source"))
            continue
        ways = {way for text, theirs in carrying if (way := direction(text, theirs))}
        ours = direction(plain, figure)
        if ours and ways and ours not in ways:
            found.append(Fault("direction", figure.text, f"{figure.text!r} goes the other way in the sources"))
    return found


def matches(ours: Figure, theirs: Figure) -> bool:
    """Whether a source's figure carries ours: the same kind of thing, and ours is a rounding of theirs."""
    if ours.kind in ("quarter", "half", "time"):
        return theirs.kind == ours.kind and theirs.day == ours.day
    if ours.kind == "token":
        return theirs.kind == "token" and theirs.text.casefold() == ours.text.casefold()
    if ours.kind in ("date", "month", "year"):
        return _same_day(ours, theirs)
    if not _same_unit(ours, theirs):
        return False
    gap = theirs.value - ours.value
    if ours.hedge == "over" and gap < -theirs.half:
        return False
    if ours.hedge == "under" and gap > theirs.half:
        return False
    return abs(gap) <= ours.half


def _same_unit(ours: Figure, theirs: Figure) -> bool:
    if ours.kind == theirs.kind == "money":
        return ours.currency == theirs.currency
    if ours.kind == "money":  # a table or a headline that names the currency once
        return theirs.kind == "plain" and theirs.scaled
    if ours.kind == "plain":
        return theirs.kind == "plain" or (theirs.kind == "money" and ours.scaled)
    if {ours.kind, theirs.kind} <= {"percent", "points"}:
        return True
    return ours.kind == theirs.kind


def _same_day(ours: Figure, theirs: Figure) -> bool:
    """The parts of a date that both say are the same, and ours says none that theirs does not, but for the year."""
    if theirs.kind not in ("date", "month", "year") or (ours.kind == "year" and not theirs.day[0]):
        return False
    (year, month, day), (their_year, their_month, their_day) = ours.day, theirs.day
    if (month and month != their_month) or (day and day != their_day):
        return False
    return not year or not their_year or year == their_year


def _calendar_matches(figure: Figure, evidence: Evidence) -> bool:
    """A date, month or year that follows from when the sources were published, or from a weekday that they name."""
    year, month, day = figure.day
    if figure.kind == "year":
        return any(abs(published.year - year) == 0 for published in evidence.days)
    if figure.kind == "month":
        return any((published.year, published.month) == (year, month) for published in evidence.days)
    if figure.kind != "date":
        return False
    for published in evidence.days:
        try:
            meant = date(year or published.year, month, day)
        except ValueError:
            return False
        named = _WEEKDAYS[meant.weekday()] in evidence.weekdays
        if meant == published or (named and abs(meant - published) <= WEEK):
            return True
    return False


def direction(plain: str, figure: Figure) -> str:
    """`up` or `down` by the nearest word that says so within the figure's own clause; empty when none does."""
    before = re.split(
        r"[,;:.]\s|\b(?:while|but|whereas|although)\b", plain[max(0, figure.start - NEAR) : figure.start]
    )[-1].split()[-NEAR_WORDS:]
    after = re.split(r"[,;:.]\s|\b(?:while|but|whereas|although|from|to)\b", plain[figure.end : figure.end + NEAR])[
        0
    ].split()[:NEAR_WORDS]
    for word in [*reversed(before), *after]:
        bare = word.strip("()\"'.,").lower()
        if bare in UP:
            return "up"
        if bare in DOWN:
            return "down"
    return ""


def name_faults(sentence: str, evidence: Evidence) -> list[Fault]:
    """Names and tickers that neither a source nor the reference data holds."""
    tickers = [match["t"] for match in _TICKER.finditer(sentence)]
    found = [
        Fault("name", ticker, f"the ticker {ticker} stands in no source")
        for ticker in tickers
        if ticker.casefold().replace(".", "") not in evidence.words and ticker not in evidence.own
    ]
    tokens = list(_TOKEN.finditer(sentence))
    for place, match in enumerate(tokens):
        if _is_name(sentence, tokens, place) and not _known(match[0], evidence):
            found.append(Fault("name", match[0], f"{match[0]!r} stands in no source"))
    return found


def _known(token: str, evidence: Evidence) -> bool:
    parts = folded(token)
    return any(part in evidence.words or part in HARMLESS for part in parts[:1]) or (
        len(parts) > 1 and all(part in evidence.words or part in HARMLESS for part in parts[1:])
    )


def _is_name(sentence: str, tokens: list[re.Match[str]], place: int) -> bool:
    """Whether a word is written as a name. The first of a sentence is one only when the rest treats it as one."""
    token = tokens[place][0]
    if not token[0].isupper() or token in _ROMANS or any(character.isdigit() for character in token):
        return False
    start = tokens[place].start()
    first = not re.search(r"[^\W_]", sentence[:start]) or sentence[:start].rstrip().endswith((":", "“", '"'))
    if not first:
        return True
    if len(token) > 1 and not token[1:].islower():  # IBM, iPhone's sisters, McDonald
        return True
    follower = tokens[place + 1][0] if place + 1 < len(tokens) else ""
    possessive = token.endswith(("'s", "’s"))
    return possessive or follower[:1].isupper() or follower.casefold() in SAYING


def mixed_script(sentence: str) -> str | None:
    """A word whose letters come from two alphabets, or that imitates Latin capitals with another one's."""
    for token in map(str, re.findall(r"[^\W\d_]+", sentence)):
        scripts = {_script(letter) for letter in token} - {"other"}
        if "LATIN" in scripts and len(scripts) > 1:
            return token
        if (
            token.isupper()
            and len(token) <= 5
            and scripts & {"CYRILLIC", "GREEK", "CHEROKEE", "ARMENIAN"}
            and _imitates(token)
        ):
            return token
    return None


def _script(letter: str) -> str:
    name = unicodedata.name(letter, "")
    known = ("LATIN", "CYRILLIC", "GREEK", "ARMENIAN", "CHEROKEE", "COPTIC", "GEORGIAN", "FULLWIDTH", "MATHEMATICAL")
    return next((script for script in known if name.startswith(script)), "other") if letter != "µ" else "other"


_LOOKS_LATIN = frozenset("АВЕКМНОРСТУХІЈЅԌԜᎪᏴᏟᎬᏀᎻᎫᏦᏞᎷᏢᎡᏚᎢᏙᏔᏃΑΒΕΖΗΙΚΜΝΟΡΤΥΧ")


def _imitates(token: str) -> bool:
    return all(letter in _LOOKS_LATIN for letter in token)


def company_confusion(sentence: str, names: Mapping[str, str]) -> Fault | None:
    """Another company's name beside this company's ticker, as ``Acme (IBM)``; ``names`` are names by ticker."""
    for match in re.finditer(
        r"\b([A-Z][\w&.'’-]{0,40}(?:\s+[A-Z][\w&.'’-]{0,40}){0,3})\s+\((?:[A-Z]+:\s*)?([A-Z][A-Z0-9.\-]{0,6})\)",
        sentence,
    ):
        named, shown = match[1], match[2]
        proper = names.get(shown)
        if proper is not None and not set(folded(named)) & set(folded(proper)):
            return Fault("name", f"{named} ({shown})", f"{shown} is the ticker of {proper}")
    return None


def evidence_of(
    texts: Iterable[str], *, facts: Iterable[str] = (), names: Iterable[str] = (), days: Iterable[date] = ()
) -> Evidence:
    """Evidence of cleaned texts."""
    return Evidence(tuple(clean(one) for one in texts), tuple(facts), tuple(filter(None, names)), tuple(days))
