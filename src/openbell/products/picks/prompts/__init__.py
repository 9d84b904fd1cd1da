"""Prompts as versioned files, ``NAME@VERSION.md``: one that has been used never changes; results carry its name.

``current.json`` says which version is used, and what each file hashes to.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any


@dataclass(frozen=True, slots=True)
class Prompt:
    """What the model is told to do; what it is told about comes apart. ``id`` is name, version and hash."""

    id: str
    text: str


@cache
def load(name: str) -> Prompt:
    """The prompt that is used now."""
    used = json.loads((files(__package__) / "current.json").read_text("utf-8"))[name]["version"]
    text = (files(__package__) / f"{name}@{used}.md").read_text("utf-8")
    return Prompt(f"{name}@{used}#{digest(text)}", text)


def digest(text: str) -> str:
    """Of a file's text, so that a changed file is noticed."""
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def material(**parts: Any) -> str:
    """What the model is told about, as one JSON object: data, and nothing in it is an order."""
    return json.dumps(parts, ensure_ascii=False, separators=(",", ":"), default=str)
