"""The parts of a page that open and close. Pure.

Only what is open is read, drawn and demanded: a look at the page must not cost a call for every data type there is.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from openbell.products.keys import Symbol
from openbell.web import card_company, card_market, card_statements, cards
from openbell.web.errors import Malformed

if TYPE_CHECKING:
    from openbell.engine.artifacts import Reading
    from openbell.engine.registry import Registry
    from openbell.web.views import Aside

DRAWN_BY = (card_company, card_market, card_statements)  # importing them says how each product is drawn
ALWAYS = ("quote", "eod-prices", "profile")
Layout = Mapping[str, tuple[str, tuple[str, ...]]]
"""Name of each part, its title, and the products that it shows."""

SECTIONS: Layout = {
    "figures": ("Key figures", ("ratios-ttm",)),
    "statements": ("Statements by year", ("financial-statements",)),
    "quarters": ("Statements by quarter", ("quarterly-statements",)),
    "dividends": ("Dividends", ("dividend-history",)),
    "segments": ("Revenue by product", ("revenue-product-segmentation",)),
    "analysts": ("Analysts and worth", ("grades-historical", "analyst-price-targets", "valuations")),
    "insiders": ("Insiders", ("insider-trading-statistics", "insider-transactions")),
    "listings": ("Listings and shares", ("exchange-variants", "sec-outstanding-shares")),
    "headlines": ("Headlines", ("stock-headlines",)),
}
MORE = "more"
OPEN_AT_FIRST = ("figures",)
MARKET: Layout = {
    "rates": ("Treasury rates", ("treasury-rates",)),
    "premiums": ("Risk premium", ("market-risk-premium",)),
    "earnings": ("Earnings of the week", ("earnings-calendar",)),
    "dividends": ("Dividends of the week", ("dividends-calendar",)),
    "headlines": ("Headlines", ("market-headlines",)),
}
MARKET_AT_FIRST = ("rates", "headlines")


@dataclass(frozen=True, slots=True)
class Section:
    """A part as it is drawn: what it shows, the keys it watches while open, and what a look costs at most."""

    name: str
    title: str
    open: bool
    calls: int
    watch: str
    cards: list[cards.Card]


def layout_of(registry: Registry) -> Layout:
    """The parts of a symbol's page; a data type that nobody has placed stands in the last one, drawn as it comes."""
    placed = {*ALWAYS, "intraday-prices", *products_of(list(SECTIONS))}
    rest = tuple(
        sorted(one.name for one in registry if one.key is Symbol and not one.is_task and one.name not in placed)
    )
    return {**SECTIONS, MORE: ("More", rest)} if rest else SECTIONS


def chosen(text: str | None, layout: Layout = SECTIONS, first: Sequence[str] = OPEN_AT_FIRST) -> tuple[str, ...]:
    """The open parts, from the address; without one those of a first look. Raises `Malformed`."""
    if text is None:
        return tuple(first)
    names = [name for name in text[:200].split(",") if name]
    for name in names:
        if name not in layout:
            choices = ", ".join(layout)
            raise Malformed(
                f"{name[:20]!r} is no part of this page.", code="malformed_part", todo=f"Choose of {choices}."
            )
    return tuple(name for name in layout if name in names)


def products_of(names: Collection[str], layout: Layout = SECTIONS) -> list[str]:
    """What these parts show."""
    return [product for name in names for product in layout[name][1]]


def draw(
    layout: Layout,
    opened: Collection[str],
    key_of: Callable[[str], str],
    readings: Sequence[Reading],
    aside: Aside,
    registry: Registry,
) -> list[Section]:
    """Every part of the page; the cards of open ones from `readings`, the others as places to fill."""
    known = {reading.product: reading for reading in readings}
    return [
        Section(
            name=name,
            title=title,
            open=name in opened,
            calls=sum(registry.get(product).estimate.calls for product in products),
            watch=" ".join(f"{product}:{key_of(product)}" for product in products),
            cards=[
                cards.card(known[product], aside) if product in known else cards.shell(product, key_of(product))
                for product in products
            ],
        )
        for name, (title, products) in layout.items()
    ]
