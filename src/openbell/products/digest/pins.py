"""The pinned inputs of digests, by revision: a revision never changes once it is complete (DG-2).

first   made with the first digest of the key
topup   the articles before, and those that came since (DG-30)
renew   chosen anew, because somebody asked for that
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from openbell.engine.database import Db
from openbell.products.digest.database import SQL
from openbell.products.digest.editions import Parts
from openbell.products.digest.inputs import Candidate, DigestInputs

Reason = Literal["first", "topup", "renew"]


@dataclass(frozen=True, slots=True)
class Pin:
    """The revision that holds. ``before`` is the selection that a top-up adds to."""

    parts: Parts
    revision: int
    reason: Reason
    selection: dict[str, Any] | None
    inputs: dict[str, Any] | None
    before: dict[str, Any] | None

    async def keep_selection(self, db: Db, selection: dict[str, Any]) -> Pin:
        """Pin what was chosen; what somebody else has pinned meanwhile holds."""
        stored = await db.fetchval(SQL.get("pin_selection"), *self._key, selection)
        return replace(self, selection=stored)

    async def keep_inputs(self, db: Db, inputs: DigestInputs, candidates: Sequence[Candidate]) -> DigestInputs:
        """Pin the inputs, with what became of each article; what somebody else has pinned meanwhile holds."""
        stored = await db.fetchval(
            SQL.get("pin_inputs"),
            *self._key,
            inputs.model_dump(mode="json"),
            [one.id for one in candidates],
            [one.category for one in candidates],
            [one.direction for one in candidates],
            [one.subject for one in candidates],
            [one.scores for one in candidates],
            [one.outcome for one in candidates],
            [one.reason for one in candidates],
        )
        return DigestInputs.model_validate(stored)

    @property
    def _key(self) -> tuple[Any, ...]:
        return (self.parts.ticker, self.parts.edition, self.parts.day, self.revision)


async def ensure_pin(db: Db, parts: Parts) -> Pin:
    """The latest revision of a digest's inputs; the first one where there is none."""
    key = (parts.ticker, parts.edition, parts.day)
    await db.execute(SQL.get("add_first_pin"), *key)
    row = await db.fetchrow(SQL.get("read_pin"), *key)
    assert row is not None
    return Pin(parts, **row)


async def add_revision(db: Db, parts: Parts, reason: Reason) -> int | None:
    """Ask for another revision, of which the next making of the digest is made; its number.

    None when the latest is not complete yet: what is under way will hold what is new as well.
    """
    revision: int | None = await db.fetchval(SQL.get("add_pin"), parts.ticker, parts.edition, parts.day, reason)
    return revision
