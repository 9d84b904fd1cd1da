"""Prompts as versioned files: `NAME@VERSION.md`. A file that has been used never changes; a change is a new version.

`current.json` says which version everybody gets. A higher one is a candidate: it is used for the tickers for which the
flag `prompt-NAME-VERSION` is on, a stable share of them (DG-40). Results carry name, version and hash.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from openbell.engine.database import Db
from openbell.engine.flags import judge, list_flags

_FILE = re.compile(r"([a-z][a-z-]*)@([1-9]\d*)\.md")


class UnknownPrompt(LookupError):
    """There is no prompt of that name and version."""


@dataclass(frozen=True, slots=True)
class Prompt:
    """What a model is told to do; what it is told about comes apart."""

    name: str
    version: int
    text: str

    @property
    def id(self) -> str:
        """Name and version, such as ``bullets@1``."""
        return f"{self.name}@{self.version}"

    @property
    def hash(self) -> str:
        """Of its text, so that a changed file is noticed."""
        return hashlib.sha256(self.text.encode()).hexdigest()[:16]


@cache
def current() -> Mapping[str, int]:
    """The version of each prompt that everybody gets."""
    found: dict[str, int] = json.loads((files(__package__) / "current.json").read_text("utf-8"))
    return found


@cache
def versions() -> Mapping[str, tuple[int, ...]]:
    """The versions there are of each prompt."""
    found: dict[str, list[int]] = {}
    for entry in files(__package__).iterdir():
        if named := _FILE.fullmatch(entry.name):
            found.setdefault(named[1], []).append(int(named[2]))
    return {name: tuple(sorted(there)) for name, there in found.items()}


@cache
def load(prompt_id: str) -> Prompt:
    """A prompt by its name and version. Raises :class:`UnknownPrompt`."""
    named = _FILE.fullmatch(f"{prompt_id}.md")
    if named is None or int(named[2]) not in versions().get(named[1], ()):
        raise UnknownPrompt(f"There is no prompt {prompt_id[:60]!r}; there are {', '.join(sorted(versions()))}.")
    return Prompt(named[1], int(named[2]), (files(__package__) / f"{prompt_id}.md").read_text("utf-8"))


def flag_of(name: str, version: int) -> str:
    """The flag that gives a candidate to a share of the tickers."""
    return f"prompt-{name}-{version}"


async def pin(db: Db, ticker: str) -> dict[str, str]:
    """Which version of each prompt a digest of this ticker is written with now: name to ``NAME@VERSION``."""
    flags = {flag.name: flag for flag in await list_flags(db)}
    chosen = {}
    for name, there in versions().items():
        usual = current().get(name, there[0])
        tried = [v for v in there if v > usual and judge(flags.get(flag_of(name, v)), ticker).on]
        chosen[name] = f"{name}@{max(tried, default=usual)}"
    return chosen
