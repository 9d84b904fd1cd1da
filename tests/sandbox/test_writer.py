"""What the pretended models write: valid by its schema, deterministic, about companies that exist."""

from __future__ import annotations

import json
import re
from datetime import date
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field

from openbell.sandbox.companies import COMPANIES
from openbell.sandbox.llm.patterns import Unsupported, example
from openbell.sandbox.llm.prices import ANTHROPIC, OPENAI, PERPLEXITY, TOKENS_STEP, Model, tokens
from openbell.sandbox.llm.writer import Writer

DAY = date(2012, 6, 1)
Json = dict[str, Any]


class Source(BaseModel):
    url: str
    published: date


class Pick(BaseModel):
    ticker: Annotated[str, Field(pattern=r"^[A-Z]{1,6}\d{0,3}$")]
    company: str
    action: Literal["buy", "hold", "watch"]
    thesis: Annotated[str, Field(min_length=80, max_length=200)]
    risks: Annotated[list[str], Field(min_length=2, max_length=4)]
    sources: list[Source]
    conviction: Annotated[int, Field(ge=1, le=5)]
    target: Annotated[float, Field(gt=0)] | None


class Picks(BaseModel):
    week: Annotated[str, Field(pattern=r"^\d{4}-W\d{2}$")]
    picks: Annotated[list[Pick], Field(min_length=8, max_length=8)]
    note: str | None = None


def test_a_list_of_picks() -> None:
    """Picks fit the model of the one who asked; each is another company, first those that the question names."""
    made = Picks.model_validate(Writer("Choose among MSFT, IBM and others", DAY).json(Picks.model_json_schema()))
    symbols = [pick.ticker for pick in made.picks]
    assert symbols[:2] == ["MSFT", "IBM"]
    assert len(set(symbols)) == 8
    for pick in made.picks:
        assert pick.company == COMPANIES[pick.ticker].name
        assert pick.ticker in pick.thesis + pick.risks[0] or pick.company in pick.thesis
        assert all(COMPANIES[pick.ticker].name in risk for risk in pick.risks)


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        ({"allOf": [{"properties": {"ticker": {"type": "string"}}}, {"properties": {"n": {"const": 1}}}]}, None),
        ({"type": "array", "prefixItems": [{"const": 1}, {"const": 2}], "items": False}, [1, 2]),
        ({"type": "array", "items": {"enum": ["a", "b", "c", "d"]}, "uniqueItems": True}, ["a", "b", "c"]),
        ({"type": "array", "items": {"type": "string"}, "maxItems": 0}, []),
        ({"type": ["null", "integer"], "minimum": 4}, 5),
        ({"type": "integer", "multipleOf": 5, "minimum": 11, "maximum": 19}, 15),
        ({"type": "integer", "maximum": 3}, 2),
        ({"type": "string", "format": "date-time"}, "2012-06-01T09:30:00Z"),
        ({"type": "string", "format": "email"}, "synthetic@example.com"),
        (
            {"properties": {"tickers": {"type": "array", "items": {"enum": ["FB", "IBM"]}}}},
            {"tickers": ["IBM", "FB", "IBM"]},
        ),
        ({"type": "object", "minProperties": 1, "additionalProperties": {"const": 7}}, {"key0": 7}),
        ({}, None),
    ],
)
def test_forms_of_a_schema(schema: Json, expected: Any) -> None:
    """Combined schemas, tuples, unique values, multiples, formats and open objects are understood."""
    made = Writer("IBM", DAY).json(schema)
    if "allOf" in schema:
        assert made == {"ticker": "IBM", "n": 1}
    elif schema:
        assert made == expected
    else:
        assert isinstance(made, str)


def test_a_schema_that_contains_itself() -> None:
    """A tree of unlimited depth is cut off."""
    node = {"type": "object", "properties": {"next": {"$ref": "#/$defs/node"}, "n": {"const": 1}}, "required": ["n"]}
    made = Writer("IBM", DAY).json({"$ref": "#/$defs/node", "$defs": {"node": node}})
    depth = 0
    while "next" in made:
        made, depth = made["next"], depth + 1
    assert 5 < depth < 50
    assert made == {"n": 1}


def test_same_question_same_answer() -> None:
    """The answer depends on the input alone."""
    schema = Picks.model_json_schema()
    assert Writer("a", DAY).json(schema) == Writer("a", DAY).json(schema)
    assert Writer("a", DAY).json(schema) != Writer("b", DAY).json(schema)
    assert "ynthetic" in Writer("a", DAY).text()


def test_text_has_no_figures() -> None:
    """A text without numbers cannot be mistaken for facts."""
    assert not re.search(r"\d", Writer("Tell me about IBM", DAY).text())


INTS = st.integers(-99, 99)
SCHEMAS: st.SearchStrategy[Json] = st.recursive(
    st.one_of(
        st.just({"type": "boolean"}),
        st.just({"type": "null"}),
        st.builds(lambda a, b: {"type": "integer", "minimum": min(a, b), "maximum": max(a, b)}, INTS, INTS),
        st.builds(lambda a, b: {"type": "number", "minimum": min(a, b), "maximum": max(a, b)}, INTS, INTS),
        st.builds(
            lambda a, b: {"type": "string", "minLength": a, "maxLength": a + b}, st.integers(0, 99), st.integers(0, 9)
        ),
        st.builds(lambda values: {"enum": values}, st.lists(st.text(max_size=3), min_size=1, max_size=3)),
        st.builds(lambda value: {"const": value}, st.text(max_size=3)),
    ),
    lambda inner: st.one_of(
        st.builds(
            lambda items, least, more: {"type": "array", "items": items, "minItems": least, "maxItems": least + more},
            inner,
            st.integers(0, 5),
            st.integers(0, 3),
        ),
        st.builds(
            lambda properties: {"type": "object", "properties": properties, "required": list(properties)},
            st.dictionaries(st.sampled_from(["ticker", "name", "url", "date", "n", "x"]), inner, max_size=4),
        ),
        st.builds(lambda one: {"anyOf": [{"type": "null"}, one]}, inner),
    ),
    max_leaves=8,
)


@given(SCHEMAS)
def test_every_schema_is_satisfied(schema: Json) -> None:
    """Whatever is asked for in types, limits, enums and alternatives is what is written."""
    value = Writer("IBM", DAY).json(schema)
    assert fits(json.loads(json.dumps(value)), schema), (value, schema)


def fits(value: Any, schema: Json) -> bool:
    """The part of JSON Schema that the schemas above use."""
    if "anyOf" in schema:
        return any(fits(value, one) for one in schema["anyOf"])
    if "const" in schema:
        return bool(value == schema["const"])
    if "enum" in schema:
        return value in schema["enum"]
    match schema["type"]:
        case "boolean":
            return isinstance(value, bool)
        case "null":
            return value is None
        case "integer":
            return type(value) is int and schema["minimum"] <= value <= schema["maximum"]
        case "number":
            return isinstance(value, (int, float)) and schema["minimum"] <= value <= schema["maximum"]
        case "string":
            return isinstance(value, str) and schema["minLength"] <= len(value) <= schema["maxLength"]
        case "array":
            right = isinstance(value, list) and schema["minItems"] <= len(value) <= schema["maxItems"]
            return right and all(fits(item, schema["items"]) for item in value)
        case _:
            named = isinstance(value, dict) and set(schema["required"]) <= set(value)
            return named and all(fits(value[name], of) for name, of in schema["properties"].items() if name in value)


@pytest.mark.parametrize(
    "pattern",
    [
        r"^[A-Z]{1,5}$",
        r"^\d{4}-W\d{2}$",
        r"^(buy|hold|sell)$",
        r"^\d{4}-\d{2}-\d{2}$",
        r"^https?://",
        r"a+b*c?d{2,3}",
        r"^(?:[a-z]{3}\.)+com$",
        r"^\$\d+\.\d{2}$",
        r"^\S+@\S+$",
        r".{5}",
    ],
)
def test_simple_patterns(pattern: str) -> None:
    """A simple pattern is matched, alone and as a constraint of a text."""
    assert re.search(pattern, example(pattern))
    written = Writer("IBM", DAY).json({"type": "string", "pattern": pattern})
    assert re.search(pattern, written)


@pytest.mark.parametrize("pattern", [r"(?=a)b", r"(a)\1", r"[^a]", r"(a", r"*"])
def test_patterns_that_are_not_simple(pattern: str) -> None:
    """What cannot be read is said."""
    with pytest.raises(Unsupported):
        example(pattern)


def test_a_text_is_written_for_any_pattern() -> None:
    """A pattern that is not understood does not keep the rest of the answer from being written."""
    assert isinstance(Writer("IBM", DAY).json({"type": "string", "pattern": r"^(?!x)[^y]+$"}), str)


@given(st.text(max_size=200), st.sampled_from([*OPENAI.values(), *ANTHROPIC.values(), *PERPLEXITY.values()]))
def test_no_amount_needs_rounding(text: str, model: Model) -> None:
    """PF-21: tokens times price is a whole number of micro-dollars, also at half price where there are such batches."""
    count = tokens(text)
    assert count % TOKENS_STEP == 0
    for half in (False, True) if model.name not in PERPLEXITY else (False,):
        parts = count * model.input + count * model.output
        assert parts % (2_000_000 if half else 1_000_000) == 0
        assert model.cost(count, count, half=half) == parts // (2_000_000 if half else 1_000_000)


def test_fractions_are_rounded_up_once() -> None:
    """PF-21: where a fraction of a micro-dollar is left it is billed as a whole one, once per call."""
    assert OPENAI["gpt-6-luna"].cost(1, 1) == 1
    assert OPENAI["gpt-6-luna"].cost(1, 1, half=True) == 1
    assert OPENAI["gpt-6-luna"].cost(10, 0, 10) == 1


FENCED = """Write a digest.
<<<DATA-1 article 11
Acme wins a port
The Wire, 2026-11-24
Acme won an order worth $12 million from a port. Its shares rose 3% on the day.
DATA-1>>>
<<<DATA-1 article 12
Acme recall widens
The Post, 2026-11-24
Acme recalls 1,200 robots after a fire. The company said that nobody was hurt.
DATA-1>>>"""
IDS: Json = {"type": "array", "items": {"enum": [11, 12, 13]}}
BULLET: Json = {
    "properties": {
        "section": {"enum": ["developments", "risks"]}, "topic": {"type": "string"}, "content": {"type": "string"},
        "sources": IDS, "keywords": {"type": "array", "items": {"type": "string"}}, "why": {"type": "string"},
        "entity": {"anyOf": [{"type": "string"}, {"type": "null"}]},
        "score": {"type": "number", "minimum": 0, "maximum": 10},
    },
    "type": "object",
}  # fmt: skip


def test_answers_from_the_texts_of_the_question() -> None:
    """Build 2: an item for each text between fences, in its own sentences, under its own id; the same each time."""
    schema = {
        "properties": {"bullets": {"type": "array", "items": BULLET}, "findings": {"type": "array", "items": BULLET}}
    }
    made = Writer(FENCED, DAY).json(schema)
    assert made == Writer(FENCED, DAY).json(schema) == Writer(json.dumps(["Be short.", [FENCED]]), DAY).json(schema)
    one, other = made["bullets"]
    assert (one["sources"], other["sources"], made["findings"]) == ([11], [12], [])
    assert one["content"] == "Acme won an order worth $12 million from a port. Its shares rose 3% on the day."
    assert (one["topic"], other["topic"], other["section"]) == ("Acme wins a port", "Acme recall widens", "risks")
    assert one["keywords"] == ["Acme"]
    assert other["entity"] is None
    assert 5 <= one["score"] <= 10
    assert "Synthetic" in one["why"]
    listed = 'Score.\n{"titles": [{"id": 5, "title": "A"}, {"id": 9, "title": "B"}]}'
    scored = {"type": "array", "items": {"type": "object", "properties": {"id": {"type": "integer"}}}}
    assert Writer(listed, DAY).json({"properties": {"scores": scored}}) == {"scores": [{"id": 5}, {"id": 9}]}


def test_a_namesake_is_no_news_of_the_company() -> None:
    """Build 2: an apple pie scores low and is of no relevance to Apple; headings break off between phrases."""
    prompt = """Company: Apple (AAPL)
<<<DATA-1 article 1
Best apple pie in Ashford chosen by 12 judges
An apple pie with walnuts won in Ashford. Apple and pear trees stand there.
DATA-1>>>
<<<DATA-1 article 2
Apple wins $3.2 billion order from Halvard Shipping
Apple won an order from Halvard Shipping. It runs for three years.
DATA-1>>>"""
    item = {
        "properties": {
            "id": {"enum": [1, 2]}, "topic": {"type": "string"}, "relevance": {"enum": ["direct", "indirect", "none"]},
            "score": {"type": "number", "minimum": 0, "maximum": 10},
        },
        "type": "object",
    }  # fmt: skip
    made = Writer(prompt, DAY).json({"properties": {"bullets": {"type": "array", "items": item}}})["bullets"]
    pie, order = sorted(made, key=lambda one: one["score"])
    assert (pie["topic"], pie["relevance"]) == ("Best apple pie in Ashford chosen", "none")
    assert (order["topic"], order["relevance"]) == ("Apple wins $3.2 billion order", "direct")
    assert pie["score"] <= 1 < 5 <= order["score"]


@pytest.mark.parametrize(
    "prompt", ["<<<A x\nno end", "<<< abcd >>>\nno end", '\n{"titles": [1, {"id": {}}]}', "<<<" * 9_000]
)
def test_fences_that_are_none(prompt: str) -> None:
    """Bad input: what looks like a fence and is none changes nothing."""
    assert Writer(prompt, DAY).json({"properties": {"content": {"type": "string"}}})["content"].startswith("Synthetic")
