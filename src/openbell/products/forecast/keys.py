"""The one builder of keys: a pair in its order, a time frame, a region; and of a forecast its data and its engine too.

    comparison   amazon|costco|12m|                       what people ask for; the region may be empty
    forecast     amazon|costco|12m||9f2c…|8|1             with the hash of the data, the horizon, the engine's version

Parts are escaped, so that no part can contain the separator; A versus B and B versus A are one key.
"""

from __future__ import annotations

import hashlib
import json
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from openbell.engine.keys import Key
from openbell.forecasting import ENGINE_VERSION

SEPARATOR = "|"
MOST_TERM = 60
MOST_KEY = 200
HASH_DIGITS = 16
REGION = re.compile(r"(?:[A-Z]{2}(?:-[A-Z0-9]{1,3})?)?")
BETWEEN = "-vs-"


@dataclass(frozen=True, slots=True)
class Frame:
    """A time frame: step (`D` or `W`), season and points that the engine gets, points shown, and steps ahead."""

    step: str
    season: int
    history: int
    shown: int
    horizon: int


FRAMES: Mapping[str, Frame] = {
    "3m": Frame("D", 7, 365, 90, 14),
    "12m": Frame("W", 52, 260, 52, 8),
    "5y": Frame("W", 52, 260, 260, 13),
}
DEFAULT_FRAME = "12m"


@dataclass(frozen=True, slots=True, order=True)
class Pair:
    """Two different terms in their order, a time frame and a region ("" is the world)."""

    a: str
    b: str
    tf: str = DEFAULT_FRAME
    geo: str = ""

    @property
    def key(self) -> str:
        """The key of its comparison."""
        return join((self.a, self.b, self.tf, self.geo))

    @property
    def slug(self) -> str:
        """What stands in addresses: `amazon-vs-costco`."""
        return BETWEEN.join(term.replace(" ", "-") for term in (self.a, self.b))

    @property
    def frame(self) -> Frame:
        """What its time frame means."""
        return FRAMES[self.tf]


def join(parts: Sequence[str]) -> str:
    """Parts to one key; `split` gives them back, whatever they contain."""
    return SEPARATOR.join(part.replace("%", "%25").replace(SEPARATOR, "%7C") for part in parts)


def split(key: str) -> list[str]:
    """The parts of a key."""
    return [part.replace("%7C", SEPARATOR).replace("%25", "%") for part in key.split(SEPARATOR)]


def term_of(text: str) -> str:
    """The canonical term: folded, single blanks for blanks, hyphens, underscores and slashes.

    Raises ``ValueError`` for an empty or too long one, for control characters, and for one that holds the word "vs".
    """
    folded = unicodedata.normalize("NFKC", text).casefold()
    term = " ".join(re.sub(r"[-_/\s\u2010-\u2015]+", " ", folded).split())
    if not term or len(term) > MOST_TERM:
        raise ValueError(f"a term has 1 to {MOST_TERM} characters")
    if any(unicodedata.category(sign)[0] == "C" for sign in term):
        raise ValueError("a term holds no control characters")
    if "vs" in term.split():
        raise ValueError('a term cannot hold the word "vs", which stands between the two')
    return term


def pair_of(a: str, b: str, tf: str = DEFAULT_FRAME, geo: str = "") -> Pair:
    """The pair of two terms as people write them. Raises ``ValueError`` with the reason."""
    one, other = sorted((term_of(a), term_of(b)))
    if one == other:
        raise ValueError("the two terms are the same")
    if tf not in FRAMES:
        raise ValueError(f"the time frame is one of {', '.join(FRAMES)}")
    geo = geo.strip().upper()
    if not REGION.fullmatch(geo):
        raise ValueError("the region is empty or a code such as US or US-CA")
    pair = Pair(one, other, tf, geo)
    if len(pair.key) > MOST_KEY - 40:
        raise ValueError("the two terms together are too long")
    return pair


def pair_of_slug(slug: str, tf: str = DEFAULT_FRAME, geo: str = "") -> Pair:
    """The pair of a slug such as `amazon-vs-costco`. Raises ``ValueError``."""
    parts = re.split(r"[-\s]vs[-\s]", slug.strip(), flags=re.IGNORECASE)
    if len(parts) != 2:
        raise ValueError("write two terms with -vs- between them, such as amazon-vs-costco")
    return pair_of(parts[0], parts[1], tf, geo)


class PairKey(Key):
    """The key of a comparison; a slug is accepted too."""

    __slots__ = ()

    shape = "two terms, a time frame and a region, such as amazon|costco|12m|"

    @classmethod
    def canonical(cls, text: str) -> str:
        """The key with the pair in its order; "" for what cannot be one."""
        parts = split(text)
        try:
            return pair_of(*parts).key if len(parts) == 4 else pair_of_slug(text).key
        except ValueError:
            return ""

    @property
    def pair(self) -> Pair:
        """The pair itself."""
        return Pair(*split(self))


class ForecastKey(Key):
    """The key of a forecast."""

    __slots__ = ()

    shape = "a comparison's key, 16 digits of a hash, a horizon and a version: amazon|costco|12m||0123456789abcdef|8|1"

    @classmethod
    def canonical(cls, text: str) -> str:
        """As built by :func:`forecast_key`; "" for what cannot be one."""
        parts = split(text)
        try:
            pair = pair_of(*parts[:4])
            fits = len(parts) == 7 and re.fullmatch(r"[0-9a-f]{16}", parts[4]) and parts[5].isdecimal() and parts[6]
            return forecast_key(pair, parts[4], int(parts[5]), parts[6]) if fits else ""
        except (ValueError, TypeError):
            return ""

    @property
    def pair(self) -> Pair:
        """The pair itself."""
        return Pair(*split(self)[:4])

    @property
    def data_hash(self) -> str:
        """The hash of the data it is made from."""
        return split(self)[4]

    @property
    def horizon(self) -> int:
        """Steps ahead."""
        return int(split(self)[5])

    @property
    def engine(self) -> str:
        """The version of the engine that makes it."""
        return split(self)[6]


def forecast_key(pair: Pair, data_hash: str, horizon: int | None = None, engine: str = ENGINE_VERSION) -> str:
    """The key of the forecast of a pair from certain data. The only builder, of readers and producers alike."""
    return join(
        (pair.a, pair.b, pair.tf, pair.geo, data_hash, str(pair.frame.horizon if horizon is None else horizon), engine)
    )


Points = Mapping[date, float | None]


def hash_of(pair: Pair, series: Mapping[str, Mapping[str, Points]]) -> str:
    """16 hexadecimal digits over the data: by source, term and day, each figure to nine digits, gaps as gaps.

    It does not depend on any order nor on how a number is written (5, 5.0 and 5e0 are one), and changes with any point.
    """
    plain = {
        source: {
            term: [[day.isoformat(), _figure(points[day])] for day in sorted(points)] for term, points in terms.items()
        }
        for source, terms in series.items()
    }
    text = json.dumps([[pair.a, pair.b, pair.tf, pair.geo], plain], sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:HASH_DIGITS]


def _figure(value: float | None) -> str | None:
    return None if value is None else f"{float(value) + 0.0:.9g}"
