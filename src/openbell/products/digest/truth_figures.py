"""The figures of a sentence: what is counted, how exactly, in what unit. Pure; nothing is rounded away.

Understands 1,234.5 and written-out numbers, thousands to trillions (also bn, mn, K, M, B), percent, percentage and
basis points, multiples, currencies before and behind, ranges that share a unit, dates, quarters, halves, years, times
of day and names with figures in them (A320, GPT-6). A figure carries how far it may be off by its own rounding.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Literal

Kind = Literal[
    "plain", "percent", "points", "money", "multiple", "date", "month", "quarter", "half", "year", "time", "token"
]  # fmt: skip
Hedge = Literal["", "about", "over", "under"]
MOST_DIGITS = 18
MOST_WRITTEN = 9_999
"""Above it, what is written out is a string of words rather than a number."""
NEAR = 40
"""Characters before a figure in which a word such as "about" may stand."""

SCALES = {
    "hundred": 2, "thousand": 3, "k": 3, "million": 6, "mln": 6, "mn": 6, "mm": 6, "m": 6, "billion": 9, "bln": 9,
    "bn": 9, "b": 9, "trillion": 12, "trn": 12, "tn": 12, "t": 12,
}  # fmt: skip
CURRENCIES = {
    word: code
    for code, words in {
        "USD": "$ us$ usd dollar dollars", "EUR": "€ eur euro euros", "GBP": "£ gbp pound pounds sterling",
        "JPY": "¥ jpy yen", "CNY": "yuan rmb cny renminbi", "CAD": "c$ cad", "AUD": "a$ aud", "HKD": "hk$ hkd",
        "TWD": "nt$", "INR": "₹ inr rupees rs", "CHF": "chf francs", "KRW": "₩ krw won", "USD-CENT": "cent cents",
        "GBP-PENCE": "pence",
    }.items()
    for word in words.split()
}  # fmt: skip
CENTS = {"USD-CENT": "USD", "GBP-PENCE": "GBP"}
MONTHS = {
    name: number
    for number, names in enumerate(
        (
            "jan january", "feb february", "mar march", "apr april", "may", "jun june", "jul july", "aug august",
            "sep sept september", "oct october", "nov november", "dec december",
        ), 1,
    )
    for name in names.split()
}  # fmt: skip
ORDINALS = {"first": 1, "second": 2, "third": 3, "fourth": 4, "1st": 1, "2nd": 2, "3rd": 3, "4th": 4}
_UP_TO_19 = """zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen
seventeen eighteen nineteen"""
_TENS = """twenty thirty forty fifty sixty seventy eighty ninety"""
UNITS = {word: value for value, word in enumerate(_UP_TO_19.split())}
TENS = {word: 10 * value for value, word in enumerate(_TENS.split(), 2)}
_HEDGES: dict[Hedge, str] = {
    "about": "about around roughly approximately some circa almost nearly close",
    "over": "over above exceeding exceeds topped least",
    "under": "under below beneath",
}
HEDGES = {word: hedge for hedge, words in _HEDGES.items() for word in words.split()}
_TWO_WORDS: dict[str, Hedge] = {
    "more than": "over", "at least": "over", "less than": "under", "fewer than": "under", "up to": "under",
}  # fmt: skip

_MONTH = "|".join(sorted(MONTHS, key=len, reverse=True))
_WORD = "|".join(sorted((*UNITS, *TENS), key=len, reverse=True))
_SCALE_WORDS = r"hundred|thousand|million|billion|trillion|mln|bln|trn|mn|bn|tn|mm"
_PREFIX = r"(?:US|C|A|HK|NT)?\$|[€£¥₹₩]|(?:USD|EUR|GBP|JPY|CNY|RMB|CAD|AUD|HKD|INR|CHF|KRW|Rs)\b\.?"
_SUFFIX = (
    r"dollars?|euros?|pounds?|sterling|yen|yuan|rmb|renminbi|rupees|francs|won|cents?|pence|"
    r"USD|EUR|GBP|JPY|CNY|CAD|AUD|CHF|INR"
)

_WRITTEN = re.compile(
    r"\b(?:(?P<half>half\s+an?)(?=\s+(?:million|billion|trillion))|(?P<dozen>an?\s+dozen)"
    r"|(?P<a>an?)(?=[\s-]+(?:hundred|thousand|million|billion|trillion)\b)"
    rf"|(?P<words>(?:{_WORD})(?:(?:[\s-]+|\s+and\s+)(?:{_WORD}|hundred(?=\s+and\s+(?:{_WORD})\b)|hundred)){{0,6}}))\b",
    re.I,
)
_ISO = re.compile(r"\b((?:19|20)\d\d)-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])\b")
_MDY = re.compile(rf"\b({_MONTH})\b\.?\s+(\d{{1,2}})(?:st|nd|rd|th)?\b(?!\s*%)(?:,?\s+((?:19|20)\d\d))?", re.I)
_DMY = re.compile(rf"\b(\d{{1,2}})(?:st|nd|rd|th)?\s+(?:of\s+)?({_MONTH})\b\.?(?:,?\s+((?:19|20)\d\d))?", re.I)
_MY = re.compile(rf"\b({_MONTH})\b\.?,?\s+((?:19|20)\d\d)\b", re.I)
_QUARTER = re.compile(
    r"\b(?:Q([1-4])|([1-4])Q|(first|second|third|fourth|1st|2nd|3rd|4th)[\s-]+(?:fiscal[\s-]+)?quarter)(?:\b|(?=\d))",
    re.I,
)
_HALF = re.compile(r"\b(?:H([12])|([12])H|(first|second)[\s-]+half)\b", re.I)
_TIME = re.compile(r"\b(\d{1,2})(?::(\d\d))\s*([ap])?\.?m?\b|\b(\d{1,2})\s*([ap])\.?m\b\.?", re.I)
_FISCAL = re.compile(r"\b(?:FY\s?|fiscal\s+(?:year\s+)?|['’])(\d{4}|\d\d)\b(?![\d%])", re.I)
_FORM = re.compile(r"\b(?:10|8|6|20|40|11|13|S)-(?:[KQFDG]|[1348])\b(?:/A)?", re.I)
_TOKEN = re.compile(r"\b(?:[A-Za-z]+-?\d[\w]*(?:[.-]\w+)*|\d+[A-Za-z]{1,3}\d*[\w-]*|3M)\b")
_ODD = re.compile(r"\b\d+(?:[.,]\d+){2,}\b")
_EVEN = re.compile(r"\d{1,3}(?:,\d{3})+(?:\.\d+)?")
_ORDINAL = re.compile(r"\b\d{1,4}(?:st|nd|rd|th)\b", re.I)
_NUMBER = re.compile(
    rf"(?<![\w.])(?P<sign>[-−–+])?\(?(?P<cur>{_PREFIX})?\s?(?P<sign2>[-−+])?(?P<whole>\d{{1,3}}(?:,\d{{3}})+|\d+)(?P<part>\.\d+)?"
    rf"(?:[\s-]?(?P<scale>{_SCALE_WORDS})\b|(?P<letter>[KMBTkmb])(?![\w]))?"
    rf"(?:[\s-]?(?P<scale2>million|billion|trillion)\b)?"
    rf"(?:\s?(?P<unit>%|percentage[\s-]points?|percent(?:age)?\b|per\s+cent\b|pct\b|pp\b|(?:basis[\s-]points?|bps)\b)"
    rf"|\s?(?P<fold>x\b|[\s-]?fold\b|\s?times\b)|[\s-]?(?P<behind>{_SUFFIX})\b)?",
    re.I,
)
_JOIN = re.compile(r"\s*(?:-|–|—|to|and|or)?\s*", re.I)


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure. ``value`` is in whole units and never negative; ``half`` is how far it may be off by its rounding.

    Dates are in ``day`` as year, month, day, 0 for what is not said.
    """

    kind: Kind
    value: Decimal
    half: Decimal
    text: str
    start: int
    end: int
    currency: str | None = None
    scaled: bool = False
    hedge: Hedge = ""
    day: tuple[int, int, int] = (0, 0, 0)


def flat(text: str) -> str:
    """The text as figures are read from it: compatible letters made plain, numbers in words as digits."""
    plain = unicodedata.normalize("NFKC", text).replace("⁄", "/").replace("\u2212", "-")
    return _WRITTEN.sub(_digits, plain)


def _digits(found: re.Match[str]) -> str:
    if found["half"]:
        return "0.5"
    if found["dozen"]:
        return "12"
    if found["a"]:
        return "1"
    words = [word for word in re.split(r"[\s-]+", found["words"].lower()) if word != "and"]
    if words == ["one"] and not _counts_on(found.string[found.end() :]):
        return found[0]
    current = 0
    for place, word in enumerate(words):
        value = UNITS.get(word, TENS.get(word))
        if value is None:
            current = max(current, 1) * 100
        elif place and not (words[place - 1] in TENS and 0 < value < 10) and words[place - 1] != "hundred":
            return found[0]  # "nineteen eighty", "five six": no number that we understand
        else:
            current += value
    return str(current) if current <= MOST_WRITTEN else found[0]


def _counts_on(rest: str) -> bool:
    """Whether "one" counts something: one million, one percent. Alone it is mostly a pronoun."""
    return bool(re.match(rf"[\s-]+(?:{_SCALE_WORDS}|percent|per\s+cent|basis|{_SUFFIX})\b", rest, re.I))


def figures(text: str) -> list[Figure]:
    """Every figure of a text, in its order."""
    plain = flat(text)
    found, rest = _calendar(plain)
    numbers = [_figure(match, rest) for match in _NUMBER.finditer(rest)]
    found += _shared([one for one in numbers if one is not None], rest)
    return sorted(found, key=lambda one: one.start)


def _calendar(plain: str) -> tuple[list[Figure], str]:
    """Dates and their like, names with figures, and what is left of the text when they are taken out."""
    found: list[Figure] = []
    left = plain

    def take(pattern: re.Pattern[str], kind: Kind, read: object) -> None:
        nonlocal left
        for match in pattern.finditer(left):
            day = read(match) if callable(read) else None
            if day is not None:
                value = Decimal(day[0] * 10_000 + day[1] * 100 + day[2])
                found.append(Figure(kind, value, Decimal(0), match[0].strip(), match.start(), match.end(), day=day))
        left = pattern.sub(lambda match: " " * len(match[0]), left)

    take(_FORM, "token", None)
    take(_ISO, "date", lambda m: (int(m[1]), int(m[2]), int(m[3])))
    take(_MDY, "date", lambda m: (int(m[3] or 0), MONTHS[m[1].lower()], int(m[2])))
    take(_DMY, "date", lambda m: (int(m[3] or 0), MONTHS[m[2].lower()], int(m[1])))
    take(_MY, "month", lambda m: (int(m[2]), MONTHS[m[1].lower()], 0))
    take(_QUARTER, "quarter", lambda m: (0, 0, int(m[1] or m[2] or ORDINALS[m[3].lower()])))
    take(_HALF, "half", lambda m: (0, 0, int(m[1] or m[2] or ORDINALS[m[3].lower()])))
    take(_TIME, "time", _time)
    take(_FISCAL, "year", lambda m: (int(m[1]) if len(m[1]) == 4 else 2000 + int(m[1]), 0, 0))
    take(_ORDINAL, "token", None)
    odd = (match for match in _ODD.finditer(left) if not _EVEN.fullmatch(match[0]))
    for match in [*odd, *_TOKEN.finditer(left)]:
        if not _NUMBER.fullmatch(match[0]) or match[0] == "3M":
            found.append(Figure("token", Decimal(0), Decimal(0), match[0], match.start(), match.end()))
            left = left[: match.start()] + " " * len(match[0]) + left[match.end() :]
    return found, left


def _time(match: re.Match[str]) -> tuple[int, int, int]:
    """Hours and minutes of the day, of 24 hours where a.m. or p.m. is said."""
    hour, minute, part = int(match[1] or match[4]), int(match[2] or 0), (match[3] or match[5] or "").lower()
    return (0, hour % 12 + 12 * (part == "p") if part else hour, minute)


def _figure(match: re.Match[str], text: str) -> Figure | None:
    """A number with its unit."""
    digits, part = match["whole"].replace(",", ""), match["part"] or ""
    if len(digits) + len(part) > MOST_DIGITS:
        return Figure("token", Decimal(0), Decimal(0), match[0].strip(), match.start(), match.end())
    number = Decimal(digits + part)
    currency = CURRENCIES.get((match["cur"] or match["behind"] or "").lower().rstrip("."))
    letter = (match["letter"] or "").lower() if match["letter"] != "m" or currency else ""
    power = SCALES.get((match["scale"] or letter or "").lower(), 0) + SCALES.get((match["scale2"] or "").lower(), 0)
    scale = Decimal(10) ** power
    if currency in CENTS:
        currency, scale = CENTS[currency], scale / 100
    kind = _kind(match, number, currency, power)
    step = Decimal(10) ** -max(len(part) - 1, 0) * scale
    exact = kind in ("plain", "year") and not part and not power
    if kind == "points" and "b" in (match["unit"] or "").lower()[:1]:
        number, step = number / 100, step / 100
    hedge = _hedge(text[max(0, match.start() - NEAR) : match.start()])
    half = _loose(digits, scale) if hedge and exact else Decimal(0) if exact else step / 2
    return Figure(
        kind, number * scale, half, match[0].strip(), match.start(), match.end(), currency, bool(power), hedge,
        day=(int(number), 0, 0) if kind == "year" else (0, 0, 0),
    )  # fmt: skip


def _kind(match: re.Match[str], number: Decimal, currency: str | None, power: int) -> Kind:
    unit = (match["unit"] or "").lower()
    if unit:
        return "points" if "point" in unit or unit in ("pp", "bps") else "percent"
    if match["fold"]:
        return "multiple"
    if currency:
        return "money"
    bare = not match["part"] and not power and "," not in match["whole"] and not match["sign"]
    return "year" if bare and len(match["whole"]) == 4 and 1900 <= number <= 2100 else "plain"


def _hedge(before: str) -> Hedge:
    words = re.findall(r"[a-z]+", before.lower())[-2:]
    return _TWO_WORDS.get(" ".join(words)) or (HEDGES.get(words[-1], "") if words else "")


def _loose(digits: str, scale: Decimal) -> Decimal:
    """About 1,000 may be anything that is 1,000 to as many digits as do not end in zeros."""
    zeros = len(digits) - len(digits.rstrip("0"))
    return Decimal(10) ** min(zeros, len(digits) - 1) * scale / 2 if zeros else Decimal(0)


def _shared(found: list[Figure], text: str) -> list[Figure]:
    """In a range the first figure has the unit of the second, and the second the currency of the first."""
    done = list(found)
    for place in range(len(done) - 1):
        first, second = done[place], done[place + 1]
        between = text[first.end : second.start]
        if not _JOIN.fullmatch(between) or not (between.strip() or second.text[:1] in "-–"):
            continue
        if first.kind in ("plain", "year", "money") and not first.scaled and second.scaled and first.value < 1_000:
            scale = _scale_of(second)
            first = replace(first, value=first.value * scale, half=_half_of(first) * scale, scaled=True)
        if second.kind in ("percent", "points", "multiple") and first.kind in ("plain", "year"):
            first = replace(first, kind=second.kind, half=_half_of(first))
        if second.kind == "money" and first.kind in ("plain", "year"):
            first = replace(first, kind="money", currency=second.currency, half=max(first.half, _half_of(first)))
        if first.kind == "money" and second.kind == "plain" and (second.scaled or not first.scaled):
            second = replace(second, kind="money", currency=first.currency, half=max(second.half, Decimal("0.5")))
        done[place], done[place + 1] = first, second
    return done


def _half_of(figure: Figure) -> Decimal:
    """Half of the last digit that is written."""
    part = re.search(r"\.(\d+)", figure.text)
    return Decimal(10) ** -(len(part[1]) if part else 0) / 2


def _scale_of(figure: Figure) -> Decimal:
    words = re.findall(r"[a-z]+", figure.text.lower())
    return Decimal(10) ** next((SCALES[word] for word in words if word in SCALES), 0)
