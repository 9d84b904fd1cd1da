"""How versions of a prompt do beside each other, from the digests that they wrote a part of (DG-40)."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any

from openbell.engine.database import Db
from openbell.engine.flags import list_flags
from openbell.products.digest.database import SQL
from openbell.products.digest.prompts import UnknownPrompt, current, flag_of, load, versions


@dataclass(frozen=True, slots=True)
class Trial:
    """One version: who gets it, and what became of its digests. Costs are in micro-dollars, of this prompt's phase."""

    prompt: str
    hash: str
    role: str
    digests: int = 0
    tickers: int = 0
    bullets: int = 0
    shown: int = 0
    marks: int = 0
    reviewed: int = 0
    held: int = 0
    answers: int = 0
    kept: int = 0
    failures: int = 0
    cost_micro: int = 0

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        return asdict(self)


async def compare(db: Db, name: str, over: timedelta) -> list[Trial]:
    """Every version of a prompt, the oldest first. Raises :class:`UnknownPrompt`."""
    if name not in versions():
        raise UnknownPrompt(f"There is no prompt {name[:60]!r}; there are {', '.join(sorted(versions()))}.")
    flags = {flag.name: flag for flag in await list_flags(db)}
    rows = {row["prompt"]: dict(row) for row in await db.fetch(SQL.get("compare_prompts"), name, over)}
    found = []
    for version in versions()[name]:
        prompt = load(f"{name}@{version}")
        flag = flags.get(flag_of(name, version))
        usual = current().get(name, versions()[name][0])
        role = (
            "current"
            if version == usual
            else "past"
            if version < usual
            else f"flag {flag.words}"
            if flag
            else "no flag"
        )
        found.append(Trial(**{"prompt": prompt.id, "hash": prompt.hash, "role": role, **rows.get(prompt.id, {})}))
    return found
