"""From what was answered to what was asked for, without another call. Pure.

An answer may think aloud first, stand in a code fence, or have prose around it. Tried in this order: the whole text, a
fence, the longest balanced object that has our three keys, what stands between the outer braces.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from pydantic import ValidationError

from openbell.products.picks.content import Content

KEYS = frozenset(("picks", "themes", "market_analysis"))
_THOUGHT = re.compile(r"<think(?:ing)?>.*?</think(?:ing)?>", re.DOTALL | re.IGNORECASE)
_FENCE = re.compile(r"```(?:json)?\s*\n(.*?)```", re.DOTALL)
MOST_STARTS = 200
MOST_REASONS = 12
LONGEST = 400_000


class Rejected(ValueError):
    """The answer is not an edition; ``reasons`` say why, each in a few words."""

    def __init__(self, reasons: list[str]) -> None:
        super().__init__("; ".join(reasons[:3]))
        self.reasons = reasons[:MOST_REASONS]


def read(text: str) -> tuple[Content, list[str]]:
    """The content, and what had to be done to find it. Raises :class:`Rejected`."""
    found = _find(text[:LONGEST], KEYS)
    if found is None:
        raise Rejected(["no_json: there is no object with picks, themes and market_analysis in the answer"])
    value, how = found
    try:
        return Content.model_validate(value), [how] if how else []
    except ValidationError as error:
        raise Rejected([_reason(one) for one in error.errors(include_url=False, include_input=False)]) from None


def find(text: str, keys: frozenset[str]) -> dict[str, Any] | None:
    """The object with these keys in a text, wherever it stands; None where there is none."""
    found = _find(text[:LONGEST], keys)
    return None if found is None else found[0]


def _find(text: str, keys: frozenset[str]) -> tuple[dict[str, Any], str] | None:
    bare = _THOUGHT.sub("", text).strip()
    ways = [("", [text]), ("a thought was removed", [bare]), ("it stood in a fence", _FENCE.findall(bare))]
    for how, parts in ways:
        for part in parts:
            if (value := _object(part, keys)) is not None:
                return value, how
    for part in sorted(_balanced(bare), key=len, reverse=True):
        if (value := _object(part, keys)) is not None:
            return value, "words around it were removed"
    return None


def _object(text: str, keys: frozenset[str]) -> dict[str, Any] | None:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) and value.keys() >= keys else None


def _balanced(text: str) -> Iterator[str]:
    """Every object that begins at a brace outside of another; braces within strings do not count."""
    start = text.find("{")
    for _ in range(MOST_STARTS):
        if start < 0:
            return
        end = _end(text, start)
        if end is None:
            start = text.find("{", start + 1)
            continue
        yield text[start:end]
        start = text.find("{", end)


def _end(text: str, start: int) -> int | None:
    depth, quoted, escaped = 0, False, False
    for place in range(start, len(text)):
        char = text[place]
        if escaped:
            escaped = False
        elif quoted:
            escaped, quoted = char == "\\", char != '"'
        elif char == '"':
            quoted = True
        elif char in "{}":
            depth += 1 if char == "{" else -1
            if depth == 0:
                return place + 1
    return None


def _reason(fault: Any) -> str:
    where = ".".join(str(part) for part in fault["loc"])
    limits = fault.get("ctx", {})
    if fault["type"] in ("too_short", "too_long") and where in ("picks", "themes"):
        need = limits.get("min_length", limits.get("max_length"))
        return f"wrong_count: {limits.get('actual_length')} {where}, and it must be exactly {need}"
    return f"wrong_shape: {where}: {fault['msg']}"
