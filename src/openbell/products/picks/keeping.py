"""What was paid for is written in one transaction: the answers, the end of the spend, the step that is done."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from openbell.engine.attempt import Attempt
from openbell.engine.database import SQL as ENGINE
from openbell.engine.errors import Fenced
from openbell.engine.spends import as_rows
from openbell.products.picks.store import add_answer

Kept = tuple[str, int, Mapping[str, Any], Mapping[str, Any]]
"""An edition, the number of its answer, the answer as it came, and what is to be known about it."""


async def keep(attempt: Attempt, step: str, value: Any, answers: Sequence[Kept]) -> None:
    """Write all of it, or nothing. To be called at the end of the step itself. Raises :class:`Fenced`."""
    claim, ended = attempt.claim, attempt.take_ended(step)
    try:
        async with attempt.pool.acquire() as conn, conn.transaction():
            if not await conn.fetchval(ENGINE.get("save_step"), claim.id, claim.token, step, value, as_rows(ended)):
                raise Fenced(f"The attempt at {claim.product} {claim.key} is no longer this worker's.")
            for edition, number, answer, about in answers:
                await add_answer(conn, edition, number, answer, about)
    except BaseException:
        attempt.give_back(ended)
        raise
