"""Cards: a reading as facts, bars and tables, in one form for every data type. Pure.

`card(reading, aside)` finds the function for the product; a page and a stream draw the same card from the same reading.
A blank stays an en dash; money names its currency; of a long list the newest rows are shown and the whole is counted.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from openbell.web import words
from openbell.web.marks import Mark, mark

if TYPE_CHECKING:
    from openbell.engine.artifacts import Reading
    from openbell.web.views import Aside

Fact = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Cell:
    """One figure of a table; `note` stands below it in small, `link` is an address."""

    text: str
    note: str = ""
    link: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    """Rows under a head; the first cell of a row names it. `words` are the columns that hold text, not figures."""

    caption: str
    head: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    words: Sequence[int] = ()
    folded: str = ""  # the words of the line that opens it


@dataclass(frozen=True, slots=True)
class Bar:
    """One part of a whole; `width` is per cent of the widest."""

    label: str
    text: str
    width: float


@dataclass(frozen=True, slots=True)
class Headline:
    """One article."""

    when: str
    title: str
    link: str
    publisher: str


@dataclass(frozen=True, slots=True)
class Body:
    """What a card says when something is known."""

    groups: Sequence[tuple[str, Sequence[Fact]]] = ()
    bars: Sequence[Bar] = ()
    tables: Sequence[Table] = ()
    headlines: Sequence[Headline] = ()
    notes: Sequence[str] = ()
    bars_caption: str = ""


@dataclass(frozen=True, slots=True)
class Card:
    """One data type of one key, ready to draw. `blank` is what to say when the source has nothing."""

    name: str  # product:key
    about: str  # what the mark speaks of
    title: str
    version: int
    known: bool
    body: Body
    blank: str
    mark: Mark | None  # None while its part of the page is closed: nothing has been read
    step: str = ""  # what is being done, while nothing is here yet


@dataclass(frozen=True, slots=True)
class Kind:
    """How one product is drawn: its title, what to say when there is none of it, and the function for its value."""

    title: str
    blank: str
    draw: Callable[[Mapping[str, Any], Aside], Body]


KINDS: dict[str, Kind] = {}
PLAIN_ROWS = 12


def kind(product: str, title: str, blank: str) -> Callable[[Callable[..., Body]], Callable[..., Body]]:
    """Say how the product is drawn."""

    def keep(draw: Callable[..., Body]) -> Callable[..., Body]:
        KINDS[product] = Kind(title, blank, draw)
        return draw

    return keep


def kind_of(product: str) -> Kind:
    """How a product is drawn; one that nothing is said about, by what its value is made of."""
    return KINDS.get(product) or Kind(spoken(product), "The source has nothing under this name.", plain)


def plain(value: Mapping[str, Any], _: Aside) -> Body:
    """Any value: its single figures as facts, and each list of rows as a table of the newest, which stand last."""
    single = [(spoken(name), text_of(one)) for name, one in value.items() if not isinstance(one, list | dict)]
    lists = {
        name: rows for name, rows in value.items() if isinstance(rows, list) and rows and isinstance(rows[0], dict)
    }
    tables = [
        Table(
            f"{spoken(name)}, {min(len(rows), PLAIN_ROWS):,} of {len(rows):,}",
            [spoken(column) for column in rows[0]],
            [[Cell(text_of(row.get(column))) for column in rows[0]] for row in reversed(rows[-PLAIN_ROWS:])],
        )
        for name, rows in lists.items()
    ]
    return Body(groups=[("", facts(*single))], tables=tables)


def spoken(name: str) -> str:
    """`book_value` and `book-value` as `Book value`."""
    return name.replace("_", " ").replace("-", " ").capitalize()


def text_of(value: Any) -> str:
    """A value of any kind; what has parts of its own is not told here."""
    if value is None or isinstance(value, list | dict):
        return words.DASH
    if isinstance(value, bool):
        return "yes" if value else "no"
    if words.is_number(value):
        return words.number(value, 0 if float(value).is_integer() else 2)
    return str(value)


def card(reading: Reading, aside: Aside) -> Card:
    """The card of a reading."""
    how = kind_of(reading.product)
    value = reading.value if isinstance(reading.value, dict) else {}
    return Card(
        name=f"{reading.product}:{reading.key}",
        about=how.title if reading.key == "GLOBAL" else f"{reading.key} {how.title}",
        title=how.title,
        version=reading.version,
        known=bool(value),
        body=how.draw(value, aside) if value else Body(),
        blank=how.blank,
        mark=mark(reading),
        step=waiting_words(reading),
    )


def shell(product: str, key: str) -> Card:
    """The place of a card whose part of the page is closed; the stream fills it when that opens."""
    how = kind_of(product)
    step = "It is shown while this part of the page is open."
    return Card(
        name=f"{product}:{key}",
        about=f"{key} {how.title}",
        title=how.title,
        version=0,
        known=False,
        body=Body(),
        blank=how.blank,
        mark=None,
        step=step,
    )


def waiting_words(reading: Reading) -> str:
    """One sentence for a card that has nothing to show: what happens, or why nothing does. Empty when it has."""
    if reading.value is not None or reading.state == "empty":
        return ""
    if reading.setback is not None or not reading.enabled:
        return reading.reason
    if reading.job is not None or reading.demanded:
        return "It is being fetched; it appears here as soon as it has come."
    return "It is fetched while this part of the page is open."


def facts(*lines: tuple[str, str]) -> list[Fact]:
    """The lines that say something."""
    return [(label, text) for label, text in lines if text and text != words.DASH]


def cells(first: str, *rest: str) -> list[Cell]:
    """A row of plain cells."""
    return [Cell(first), *(Cell(text) for text in rest)]


def in_currency(text: str, currency: str) -> str:
    """A figure and its currency, where that is known and there is a figure."""
    return f"{text}{words.NARROW}{currency}" if currency and text and text != words.DASH else text


@dataclass(frozen=True, slots=True)
class Scale:
    """What figures of a table are divided by, and the words for it."""

    size: float
    name: str

    def of(self, value: float | None) -> str:
        """The figure on this scale, in whole units of it."""
        return words.number(value / self.size, 0) if words.is_number(value) else words.DASH

    def caption(self, what: str, currency: str) -> str:
        """`Income, millions of USD`."""
        unit = f"{self.name} of {currency}" if self.name and currency else self.name or currency
        return f"{what}, {unit}" if unit else what


def scale_of(values: Sequence[float | None]) -> Scale:
    """Millions from one thousand million on, thousands from one million on: four digits at least are left."""
    largest = max((abs(v) for v in values if words.is_number(v)), default=0.0)
    if largest >= 1e9:
        return Scale(1e6, "millions")
    return Scale(1e3, "thousands") if largest >= 1e6 else Scale(1.0, "")


def bars(parts: Sequence[tuple[str, float | None, str]]) -> list[Bar]:
    """Parts with a figure above zero, beside each other."""
    known = [(label, value, text) for label, value, text in parts if words.is_number(value) and value > 0]
    widest = max((value for _, value, _ in known), default=0.0)
    return [Bar(label, text, round(value / widest * 100, 1)) for label, value, text in known]
