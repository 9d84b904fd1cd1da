"""The forms that models fill in, phase by phase. What they hold is hostile until the checks have seen it.

Schemas name the ids there are, so that a model has no reason to invent one; an answer with others is read all the same,
and what hangs on an unknown id is dropped by code (DG-15).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal, cast

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, create_model

from openbell.products.digest.content import SECTIONS

MOST_BULLETS = 60
MOST_PAIRS = 200
_FILINGS = ("10-K", "10-Q", "8-K")


def _first(most: int) -> BeforeValidator:
    """No more than so many of a list; what is none stays as it is, and is refused."""
    return BeforeValidator(lambda value: value[:most] if isinstance(value, list) else value)


class Form(BaseModel):
    """What a model fills in; what it adds is left out."""

    model_config = ConfigDict(extra="ignore")


class Hint(Form):
    """What to look up in a filing."""

    form: str = Field(json_schema_extra={"enum": list(_FILINGS)})
    look_up: str = ""


class Draft(Form):
    """A bullet as phase 1 writes it."""

    section: str = Field("developments", json_schema_extra={"enum": list(SECTIONS)})
    topic: str = ""
    content: str
    sources: list[int] = []
    hints: list[Hint] = []
    keywords: list[str] = []


class Drafts(Form):
    """Phase 1."""

    bullets: Annotated[list[Draft], _first(MOST_BULLETS)]


class KnownOne(Form):
    """What of a bullet is known."""

    bullet_id: str
    action: Literal["keep", "rewrite", "remove"]
    new_text: str | None = None
    filings: list[str] = []


class KnownAll(Form):
    """Phase 1.5."""

    bullets: Annotated[list[KnownOne], _first(MOST_BULLETS)]


class ContextOne(Form):
    """What a bullet means."""

    bullet_id: str
    impact: Literal["high", "medium", "low"]
    sentiment: Literal["positive", "negative", "mixed", "neutral"]
    relevance: Literal["direct", "indirect", "none"]
    reason: str = ""
    context: str = ""
    filings: list[str] = []
    entity: str | None = None


class ContextAll(Form):
    """Phase 2."""

    bullets: Annotated[list[ContextOne], _first(MOST_BULLETS)]


class Pair(Form):
    """Two bullets that tell the same."""

    one: str
    other: str


class Pairs(Form):
    """Phase 3."""

    pairs: Annotated[list[Pair], _first(MOST_PAIRS)] = []


class Part(Form):
    """A part of the top."""

    text: str
    bullets: list[str] = []


class Top(Form):
    """Phase 4."""

    bottom_line: Part
    upside: Annotated[list[Part], _first(3)] = []
    downside: Annotated[list[Part], _first(3)] = []


class FindingOne(Form):
    """A sentence that is wrong."""

    sentence_id: str
    kind: Literal["number", "claim", "attribution", "direction", "company", "inference"]
    piece: str = ""
    why: str = ""


class Findings(Form):
    """The review."""

    findings: Annotated[list[FindingOne], _first(200)] = []


def _among(kind: type, ids: Sequence[Any]) -> Any:
    return list[Annotated[kind, Field(json_schema_extra={"enum": list(ids)})]]  # type: ignore[valid-type]


def _one(ids: Sequence[str]) -> Any:
    return Annotated[str, Field(json_schema_extra={"enum": list(ids)})]


def drafts(articles: Sequence[int]) -> type[Drafts]:
    """The form of phase 1 for these articles."""
    sources = Field(json_schema_extra={"uniqueItems": True})
    one = create_model("Draft", __base__=Draft, sources=(_among(int, articles), sources))
    return cast("type[Drafts]", create_model("Drafts", __base__=Drafts, bullets=(_list(one, MOST_BULLETS), ...)))


def known(bullets: Sequence[str], filings: Sequence[str]) -> type[KnownAll]:
    """The form of phase 1.5."""
    one = create_model("Known", __base__=KnownOne, bullet_id=(_one(bullets), ...), filings=(_among(str, filings), []))
    return cast("type[KnownAll]", create_model("KnownAll", __base__=KnownAll, bullets=(_list(one, MOST_BULLETS), ...)))


def context(bullets: Sequence[str], filings: Sequence[str]) -> type[ContextAll]:
    """The form of phase 2."""
    one = create_model(
        "Context", __base__=ContextOne, bullet_id=(_one(bullets), ...), filings=(_among(str, filings), [])
    )
    made = create_model("ContextAll", __base__=ContextAll, bullets=(_list(one, MOST_BULLETS), ...))
    return cast("type[ContextAll]", made)


def pairs(bullets: Sequence[str]) -> type[Pairs]:
    """The form of phase 3."""
    one = create_model("Pair", __base__=Pair, one=(_one(bullets), ...), other=(_one(bullets), ...))
    return cast("type[Pairs]", create_model("Pairs", __base__=Pairs, pairs=(_list(one, MOST_PAIRS), [])))


def top(bullets: Sequence[str]) -> type[Top]:
    """The form of phase 4."""
    one = create_model("Part", __base__=Part, bullets=(_among(str, bullets), ...))
    made = create_model(
        "Top", __base__=Top, bottom_line=(one, ...), upside=(_list(one, 3), []), downside=(_list(one, 3), [])
    )
    return cast("type[Top]", made)


def findings(sentence_ids: Sequence[str]) -> type[Findings]:
    """The form of the review."""
    one = create_model("Finding", __base__=FindingOne, sentence_id=(_one(sentence_ids), ...))
    return cast("type[Findings]", create_model("Findings", __base__=Findings, findings=(_list(one, 200), [])))


def _list(one: Any, most: int) -> Any:
    return Annotated[list[one], _first(most), Field(json_schema_extra={"maxItems": most})]
