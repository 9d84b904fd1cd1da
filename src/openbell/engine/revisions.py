"""Two operators at once: who changes what somebody else has changed meanwhile is told of it first, and changes nothing.

A flag, a schedule and a product carry a ``revision`` that counts their changes. A change names the revision that its
author has seen; where there is a newer one, it is refused with what the others did.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from openbell.engine.database import SQL, Db
from openbell.engine.errors import EngineError

SHOWN = 3
BESIDE = frozenset({"changed_at", "revision", "salt", "reason", "forced", "seeded", "name", "flag"})
"""What a row says of itself, or of its change, beside what was set."""
LONGEST = 60
LONGEST_REASON = 300


class BadReason(EngineError):
    """A reason that cannot be kept."""

    code = "bad_reason"


class Overtaken(EngineError):
    """Somebody else was first; nothing was changed."""

    code = "overtaken"

    def __init__(self, name: str, changes: Sequence[str]) -> None:
        told = "; ".join(changes) or "its row is a newer one"
        super().__init__(
            f"{name} has changed since you looked: {told}. Nothing was changed now. Look at how it is, then decide."
        )


def checked_reason(text: str, *, needed: bool = False) -> str:
    """A reason as the audit log keeps it; empty where none is given and none is ``needed``. Raises BadReason. Pure."""
    said = text.strip()
    if len(said) > LONGEST_REASON or "\x00" in said:
        raise BadReason(f"The reason is at most {LONGEST_REASON} characters.")
    if needed and not said:
        raise BadReason("This needs a reason, for whoever reads the audit log.")
    return said


async def overtaken(db: Db, kind: str, name: str, seen: int, now: int) -> Overtaken:
    """What was done to ``name`` between two revisions; ``kind`` is the first word of its actions."""
    most = max(1, min(now - seen, SHOWN))
    return Overtaken(name, [tell(row) for row in reversed(await list_changes(db, kind, name, most))])


async def list_changes(db: Db, kind: str, name: str, limit: int) -> list[dict[str, Any]]:
    """The latest entries of the audit log about ``name``, newest first; ``kind`` is the first word of their actions."""
    return [dict(row) for row in await db.fetch(SQL.get("list_recent_changes"), f"{kind}.%", name, limit)]


def tell(row: Mapping[str, Any]) -> str:
    """One entry of the audit log in words: ``ann, at 10:42:05 UTC: mode off to shadow``. Pure."""
    done = ", ".join(differences(row["before"], row["after"])) or row["action"].rpartition(".")[2]
    reason = (row["after"] or {}).get("reason")
    return f"{row['actor']}, at {row['at']:%H:%M:%S} UTC: {done}" + (f" ({reason})" if reason else "")


def differences(before: Mapping[str, Any] | None, after: Mapping[str, Any] | None) -> Iterator[str]:
    """What is not the same: ``share 0 to 1000``. What only the one side tells is told alone. Pure."""
    old, new = before or {}, after or {}
    for name in new:
        if name in BESIDE or (name in old and old[name] == new[name]) or (name not in old and not _says(new[name])):
            continue
        was = f"{_short(name, old[name])} to " if name in old else ""
        yield f"{name.replace('_', ' ')} {was}{_short(name, new[name])}"


def _says(value: Any) -> bool:
    """Whether it tells anything where there was nothing before."""
    return value is not None and value != [] and value != ""


def _short(name: str, value: Any) -> str:
    match value:
        case int() if name == "share":
            text = f"{value / 100:g} %"
        case None:
            return "nothing"
        case bool():
            return "on" if value else "off"
        case list():
            text = ", ".join(map(str, value)) or "none"
        case _:
            text = str(value)
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"
