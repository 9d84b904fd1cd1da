"""How headlines of the provider are read."""

from __future__ import annotations

from functools import partial
from typing import Annotated

from pydantic import BeforeValidator, Field

from openbell.engine.registry import Calls, days, hours, minutes, product, seconds
from openbell.products.market.fields import InNewYork, Link, Record, Text, in_order
from openbell.providers.fmp import Rows

MOST_ROWS = 50
LONGEST_TITLE = 500
LONGEST_TEXT = 1_000


def _cut(length: int) -> BeforeValidator:
    return BeforeValidator(lambda value: value[:length] if isinstance(value, str) else value)


class Headline(Record):
    """One article: what it is called and where it is. The text is the provider's beginning of it, cut if need be."""

    published: InNewYork = Field(validation_alias="publishedDate", description="in UTC")
    title: Annotated[str, Field(min_length=1), _cut(LONGEST_TITLE)]
    publisher: Text
    site: Text
    url: Link
    image: Link = None
    text: Annotated[Text, _cut(LONGEST_TEXT)] = None


headlines = partial(
    product,
    version=1,
    ttl=minutes(15),
    stale=days(7),
    empty=hours(6),
    retry=minutes(5),
    keep=days(2),
    timeout=seconds(20),
    spends={"fmp": Calls(1, bytes=40_000)},
    licence="personal",
)
"""Declares headlines; what is left to say is their name and of what they tell."""


def newest(rows: Rows) -> list[Headline]:
    """The articles, oldest first, each once."""
    return in_order((Headline.model_validate(row) for row in rows), "published", "url", "title")[-MOST_ROWS:]
