"""A text that matches a simple regular expression: literals, classes, groups, alternatives and repetitions.

The first that there is: the first alternative, the first character of a class, the fewest repetitions. What it cannot
read (look-around, back-references) raises Unsupported.
"""

from __future__ import annotations

CLASSES = {"d": "0", "w": "a", "s": " ", "D": "x", "W": "-", "S": "x"}
REPEAT_MAX = 1_000


class Unsupported(Exception):
    """The expression has something in it that is not simple."""


def example(pattern: str) -> str:
    """A text that matches. Raises Unsupported."""
    text, rest = _alternatives(pattern)
    if rest:
        raise Unsupported(pattern)
    return text


def _alternatives(pattern: str) -> tuple[str, str]:
    """The first alternative as text, and what follows the last one."""
    first, rest = _sequence(pattern)
    while rest.startswith("|"):
        _, rest = _sequence(rest[1:])
    return first, rest


def _sequence(pattern: str) -> tuple[str, str]:
    made, rest = "", pattern
    while rest and rest[0] not in "|)":
        piece, rest = _atom(rest)
        least, rest = _repetition(rest)
        made += piece * least
    return made, rest


def _atom(rest: str) -> tuple[str, str]:
    head = rest[0]
    if head in "^$":
        return "", rest[1:]
    if head == ".":
        return "a", rest[1:]
    if head == "\\":
        return _escaped(rest)
    if head == "[":
        return _class(rest)
    if head == "(":
        return _group(rest)
    if head in "*+?{":
        raise Unsupported(rest)
    return head, rest[1:]


def _escaped(rest: str) -> tuple[str, str]:
    name = rest[1:2]
    if name in ("b", "B", "A", "Z"):
        return "", rest[2:]
    if not name or (name.isalnum() and name not in CLASSES):
        raise Unsupported(rest)
    return CLASSES.get(name, name), rest[2:]


def _class(rest: str) -> tuple[str, str]:
    end = rest.find("]", 2)
    if end < 0 or rest[1] == "^":
        raise Unsupported(rest)
    inside = rest[1:end]
    return (_escaped(inside)[0] if inside[0] == "\\" else inside[0]), rest[end + 1 :]


def _group(rest: str) -> tuple[str, str]:
    inside = rest[1:]
    if inside.startswith("?"):
        if not inside.startswith("?:"):
            raise Unsupported(rest)
        inside = inside[2:]
    text, after = _alternatives(inside)
    if not after.startswith(")"):
        raise Unsupported(rest)
    return text, after[1:]


def _repetition(rest: str) -> tuple[int, str]:
    """How often at least, and what follows."""
    least = 1
    if rest[:1] in ("*", "?"):
        least, rest = 0, rest[1:]
    elif rest[:1] == "+":
        rest = rest[1:]
    elif rest[:1] == "{":
        counts, end, rest = rest[1:].partition("}")
        low = counts.split(",")[0]
        if not end or not low.isdecimal() or int(low) > REPEAT_MAX:
            raise Unsupported(counts)
        least = int(low)
    return least, rest[1:] if rest[:1] == "?" else rest
