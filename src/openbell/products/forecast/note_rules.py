"""What an operator allows of notes on comparisons."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class NoteRules:
    """A model such as `anthropic:claude-haiku-5-5` ("" for no notes at all), and notes a day, of all and of each."""

    model: str = ""
    per_day: int = 100
    per_person: int = 5
