"""Synthetic text and JSON, deterministic from the input.

The text has no figures in it, and says that it is synthetic. JSON answers hold what the schema asks for; where a
property is named like a ticker, it holds one of the sandbox's companies, first of all those whose symbols stand in the
input, each item of a list another one, with the company's own name beside it.

Where the input gives texts between fences, answers are made of their sentences, each item of a list from another text,
so that a report of the sandbox is worth looking at: still invented, as the texts are, and labelled so.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from datetime import date
from typing import Any

from openbell.sandbox.companies import COMPANIES
from openbell.sandbox.llm.patterns import Unsupported, example
from openbell.sandbox.llm.quotes import Block, blocks_of, subject_of
from openbell.sandbox.news.phrases import is_decoy

ITEMS = 3
QUOTED_MAX = 40
HEADING = 6
DEPTH_MAX = 12
NOTHING_FOUND = frozenset(("findings", "pairs", "hints", "filings"))  # a reviewer without objections
PREFERRED = ("keep", "direct")
LENGTHS = {"content": 2, "facts": 5, "topic": 0}
SAYS = frozenset(("content", "facts", "topic", "text", "context"))
UNTOLD = frozenset(("entity", "new_text"))
REASONS = frozenset(("why", "reason"))
REASON = "Synthetic: by the words of the text."
NOTE = "Synthetic answer of the sandbox, written without a model."
_TICKER_NAMES = frozenset(("ticker", "tickers", "symbol", "symbols", "stock", "stocks"))
_COMPANY_NAMES = frozenset(("company", "companyname", "issuer"))
_LINK = re.compile(r"\W*(a|after|an|and|as|at|by|for|from|in|its|of|off|on|or|over|the|to|with|[$€£\d].*)\W*", re.I)
"""Words after which a phrase goes on."""
_WORD = re.compile(r"\b[A-Z]{1,5}\d{0,3}\b")
_SITE = "https://example.com/synthetic"

Schema = Mapping[str, Any]


class Writer:
    """Writes for one input; the same input gives the same text."""

    def __init__(self, prompt: str, day: date) -> None:
        self._seed = hashlib.sha256(prompt.encode()).digest()
        self._day = day
        named = [word for word in dict.fromkeys(_WORD.findall(prompt)) if word in COMPANIES]
        others = [symbol for symbol in COMPANIES if symbol not in named]
        turn = self._seed[0] % len(others) if others and not named else 0
        self.tickers = [*named, *others[turn:], *others[:turn]]
        self._defs: Schema = {}
        self._blocks = blocks_of(prompt)
        self._at: Block | None = None
        self._subject = subject_of(prompt)
        self._blocks.sort(key=lambda block: not self._is_about_it(block))

    def text(self) -> str:
        """A few sentences."""
        company = COMPANIES[self.tickers[0]]
        return (
            f"{NOTE} {company.name} ({company.symbol}) is among the companies that the question may be about. "
            "The sandbox knows replayed prices only and has no opinion about any company. "
            f"Whoever reads this sees that the way from the question to the page works, and nothing else. {NOTE}"
        )

    def json(self, schema: Schema) -> Any:
        """A value that the schema allows, as far as it is made of types, enums, limits and simple patterns."""
        self._defs = {**schema.get("definitions", {}), **schema.get("$defs", {})}
        return self._value(schema, "", self.tickers[0], 0, 0)

    def _value(self, schema: Schema, name: str, ticker: str, index: int, depth: int) -> Any:
        if self._blocks and name in UNTOLD and {"type": "null"} in schema.get("anyOf", []):
            return None
        schema = self._resolved(schema)
        if "const" in schema:
            return schema["const"]
        if schema.get("enum"):
            return self._choice(schema["enum"], name, ticker, index)
        match _type(schema):
            case "object":
                return self._object(schema, ticker, depth)
            case "array":
                return self._array(schema, name, ticker, depth)
            case "string":
                return self._string(schema, name, ticker, index)
            case "integer" | "number" as kind:
                return self._number(schema, name, whole=kind == "integer")
            case "boolean":
                return True
            case _:
                return None

    def _resolved(self, schema: Schema) -> Schema:
        """The schema without references and alternatives: of those the first that is not null."""
        for _ in range(DEPTH_MAX):
            if "$ref" in schema:
                rest = {key: value for key, value in schema.items() if key != "$ref"}
                schema = {**self._defs.get(str(schema["$ref"]).rsplit("/", 1)[-1], {}), **rest}
            elif "allOf" in schema:
                parts = [self._resolved(part) for part in schema["allOf"]]
                schema = _merged({key: value for key, value in schema.items() if key != "allOf"}, parts)
            elif alternatives := schema.get("anyOf") or schema.get("oneOf"):
                rest = {key: value for key, value in schema.items() if key not in ("anyOf", "oneOf")}
                schema = {**rest, **next((one for one in alternatives if one.get("type") != "null"), {"type": "null"})}
            else:
                return schema
        return {"type": "null"}

    def _choice(self, values: list[Any], name: str, ticker: str, index: int) -> Any:
        if name.lower() in _TICKER_NAMES:
            return ticker if ticker in values else values[index % len(values)]
        known = [value for value in values if value is not None] or values
        if self._blocks:
            return self._fitting(known, name)
        return known[self._seed[len(name) % 32] % len(known)]

    def _object(self, schema: Schema, ticker: str, depth: int) -> dict[str, Any]:
        properties: Schema = schema.get("properties", {})
        required = schema.get("required", [])
        deep = depth >= DEPTH_MAX
        made = {
            name: self._value(of, name, ticker, 0, depth + 1)
            for name, of in properties.items()
            if name in required or not deep
        }
        extra = schema.get("additionalProperties")
        for number in range(schema.get("minProperties", 0) - len(made)):
            made[f"key{number}"] = self._value(extra if isinstance(extra, dict) else {}, "", ticker, number, depth + 1)
        return made

    def _array(self, schema: Schema, name: str, ticker: str, depth: int) -> list[Any]:
        fixed = schema.get("prefixItems", [])
        made = [self._value(of, name, ticker, index, depth + 1) for index, of in enumerate(fixed)]
        items = schema.get("items", {})
        if not isinstance(items, dict) or depth >= DEPTH_MAX:
            return made
        if self._blocks and not made and (quoted := self._quoted(schema, items, name, ticker, depth)) is not None:
            return quoted
        wanted = min(max(ITEMS, schema.get("minItems", 0)), schema.get("maxItems", len(self.tickers)))
        of = self._resolved(items)
        if "enum" in of and schema.get("uniqueItems"):
            return [*made, *of["enum"][: wanted - len(made)]]
        tickers = self._tickers_of(name, of) or [ticker]
        rest = (
            self._value(items, name, tickers[index % len(tickers)], index, depth + 1)
            for index in range(len(made), wanted)
        )
        return [*made, *rest]

    def _tickers_of(self, name: str, items: Schema) -> list[str]:
        """The companies for the items of a list, one each, if the list is about companies: those that may be named."""
        fields = {name: items, **items.get("properties", {})}
        found = [self._resolved(of) for field, of in fields.items() if field.lower() in _TICKER_NAMES]
        if not found:
            return []
        allowed = found[0].get("enum")
        return [one for one in self.tickers if allowed is None or one in allowed] or self.tickers

    def _quoted(self, schema: Schema, items: Schema, name: str, ticker: str, depth: int) -> list[Any] | None:
        """A list about the texts of the input, an item each; None where it is about something else."""
        if name in NOTHING_FOUND and not schema.get("minItems"):
            return []
        of = self._resolved(items)
        if "enum" in of:  # of ids: that of the text at hand
            blocks = [self._at or self._blocks[0]]
            return [next((one for one in of["enum"] if str(one) in block.words), of["enum"][0]) for block in blocks]
        if name == "keywords":
            return [word.strip(",.:") for word in (self._at or self._blocks[0]).title.split() if word[:1].isupper()][:5]
        blocks = [block for block in self._blocks if self._is_named(of, block)]
        if name in ("upside", "downside"):
            tone = "positive" if name == "upside" else "negative"
            blocks = [block for block in blocks if tone in block.words]
        if not blocks:
            return None if name not in ("upside", "downside") else []
        made = []
        for index, block in enumerate(blocks[: min(QUOTED_MAX, schema.get("maxItems", QUOTED_MAX))]):
            self._at = block
            made.append(self._value(items, name, ticker, index, depth + 1))
        self._at = None
        return made

    def _is_named(self, of: Schema, block: Block) -> bool:
        """Whether an object has a field for the id of this text."""
        for name, field in of.get("properties", {}).items():
            found = self._resolved(field)
            ids = found.get("enum") or self._resolved(found.get("items", {})).get("enum", [])
            if any(str(one) in block.words for one in ids) or (name == "id" and block.label.isdecimal()):
                return True
        return False

    def _is_about_it(self, block: Block) -> bool:
        """Whether a text is about the company that the prompt is about, not about something else of its name."""
        return any(one in block.body for one in self._subject) and not is_decoy(block.body)

    def _fitting(self, values: list[Any], name: str) -> Any:
        """Of a few words that which suits the text at hand."""
        block = self._at or self._blocks[0]
        if name == "relevance" and "none" in values and self._subject:
            wanted = "direct" if self._is_about_it(block) else "none" if is_decoy(block.body) else "indirect"
            return wanted if wanted in values else "none"
        by_text = next(
            (one for one in values if str(one) in block.words or one == block.tone or block.is_about(one)), None
        )
        preferred = next((one for one in PREFERRED if one in values), by_text)
        return values[block.number(name, len(values))] if preferred is None else preferred

    def _number(self, schema: Schema, name: str, *, whole: bool) -> int | float:
        block = self._at or (self._blocks[0] if self._blocks else None)
        low, high = schema.get("minimum"), schema.get("maximum")
        if block is None:
            return _number(schema, whole=whole)
        if name == "id" and block.label.isdecimal():
            return int(block.label)
        if low is None or high is None or whole:
            return _number(schema, whole=whole)
        percent = block.number(name, 10) if is_decoy(block.body) else 55 + block.number(name, 40)
        return float(low + (high - low) * percent / 100)

    def _string(self, schema: Schema, name: str, ticker: str, index: int) -> str:
        told = self._told(name) if self._blocks else ""
        wishes = [told or self._wish(schema, name.lower(), ticker, index)]
        pattern = schema.get("pattern")
        if pattern is not None:
            wishes += [ticker, self._day.isoformat()]
            try:
                wishes.append(example(pattern))
            except Unsupported:
                pass
        for wish in wishes:
            fitted = _fitted(wish, schema)
            if pattern is None or re.search(pattern, fitted):
                return fitted
        return _fitted(wishes[-1], schema)

    def _told(self, name: str) -> str:
        """What the text at hand says, for a field that tells something; nothing for other fields."""
        block = self._at or self._blocks[0]
        if name in REASONS:
            return REASON
        if name not in SAYS:
            return ""
        if name == "topic":
            return _heading(block.title)
        return block.told(name, LENGTHS.get(name, 1))

    def _wish(self, schema: Schema, name: str, ticker: str, index: int) -> str:
        kind = schema.get("format")
        by_format = {
            "date": self._day.isoformat(),
            "date-time": f"{self._day.isoformat()}T09:30:00Z",
            "time": "09:30:00Z",
            "email": "synthetic@example.com",
            "uri": f"{_SITE}/{ticker.lower()}/{index}",
            "uuid": "00000000-0000-4000-8000-" + self._seed.hex()[:12],
        }
        if kind in by_format:
            return by_format[kind]
        if name in _TICKER_NAMES:
            return ticker
        if name.replace("_", "") in _COMPANY_NAMES or name == "name":
            return COMPANIES[ticker].name
        if name == "exchange":
            return COMPANIES[ticker].exchange
        if name in ("url", "link", "source_url"):
            return by_format["uri"]
        if name.endswith("date") or name in ("as_of", "day"):
            return by_format["date"]
        words = (name.replace("_", " ") or "text") + (f" {index + 1}" if index else "")
        return f"Synthetic {words} about {COMPANIES[ticker].name} ({ticker}) from the sandbox."


def _heading(title: str) -> str:
    """Its first six words at most, that do not break off in the middle of a phrase."""
    words = title.split()
    kept = words[:HEADING]
    while len(words) > HEADING and len(kept) > 2 and _LINK.fullmatch(kept[-1]):
        kept.pop()
    return " ".join(kept)[:1].upper() + " ".join(kept)[1:]


def _type(schema: Schema) -> str:
    kind = schema.get("type")
    if isinstance(kind, list):
        kind = next((one for one in kind if one != "null"), "null")
    if kind is None:
        kind = "object" if "properties" in schema else "array" if "items" in schema else "string"
    return str(kind)


def _merged(schema: dict[str, Any], parts: list[Schema]) -> Schema:
    for part in parts:
        properties = {**schema.get("properties", {}), **part.get("properties", {})}
        required = [*schema.get("required", []), *part.get("required", [])]
        schema = {**part, **schema}
        if properties:
            schema |= {"properties": properties, "required": required}
    return schema


def _fitted(text: str, schema: Schema) -> str:
    least, most = schema.get("minLength", 0), schema.get("maxLength")
    padded = text if len(text) >= least else text + "." * (least - len(text))
    return padded if most is None else padded[:most]


def _number(schema: Schema, *, whole: bool) -> int | float:
    """The middle of what is allowed, on a multiple if one is asked for."""
    low = schema.get("minimum", schema.get("exclusiveMinimum"))
    high = schema.get("maximum", schema.get("exclusiveMaximum"))
    if low is not None and high is not None:
        middle = (low + high) / 2
    elif low is not None:
        middle = low + 1
    else:
        middle = 1 if high is None else high - 1
    unit = schema.get("multipleOf", 1 if whole else None)
    if unit is None:
        return float(middle)
    on_unit = round(middle / unit) * unit
    if low is not None and on_unit < low:
        on_unit += unit
    if high is not None and on_unit > high:
        on_unit -= unit
    return int(on_unit) if whole else float(on_unit)
