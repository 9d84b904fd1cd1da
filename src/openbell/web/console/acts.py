"""What the pages have in common that change something: how a refusal is told, and what a form brings."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from openbell.engine.errors import EngineError
from openbell.engine.revisions import Overtaken, differences
from openbell.engine.rollout import NotReady
from openbell.web.sign_in import typed
from openbell.web.words import clock, moment

MOST_NUMBER = 2**31 - 1
YEARS = range(1900, 9000)
"""Times of other years are meant by nobody, and leave no room to count from."""


def status_of(error: EngineError) -> int:
    """409 for what the state of things refuses, 400 for what cannot be meant."""
    return 409 if isinstance(error, Overtaken | NotReady) else 400


def revision(form: Mapping[str, Any]) -> int:
    """What its author has seen; a form that does not say has seen nothing, which is refused as the past is."""
    text = typed(form, "seen", 10)
    return int(text) if text.isdecimal() and int(text) <= MOST_NUMBER else 0


def time_given(given: Mapping[str, Any], name: str) -> datetime | None:
    """A time of an address or a form, in UTC, which one without a zone is in; None for what is none. Pure."""
    found = moment(typed(given, name, 40))
    return found.astimezone(UTC) if found is not None and found.year in YEARS else None


def told(row: Mapping[str, Any], now: Any) -> dict[str, Any]:
    """An entry of the audit log in words. Pure."""
    after = row["after"] if isinstance(row["after"], Mapping) else {}
    before = row["before"] if isinstance(row["before"], Mapping) else {}
    forced = after.get("forced")
    return {
        "at": clock(row["at"], now),
        "actor": row["actor"],
        "action": row["action"],
        "what": ", ".join(differences(before, after)) if after else "",
        "reason": str(after.get("reason") or ""),
        "forced": ", ".join(map(str, forced)) if isinstance(forced, list) else "",
    }
