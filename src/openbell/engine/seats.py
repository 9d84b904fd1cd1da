"""How many jobs run at once in the whole fleet, from what an operator sets."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from openbell.engine.database import SQL, Db
from openbell.engine.registry import CLASSES
from openbell.engine.worker import SeatLimit

log = logging.getLogger(__name__)


def seat_limits(total: int | None, scheduled: int | None, adhoc: int | None) -> list[SeatLimit]:
    """At most ``total`` jobs at once. Of these ``scheduled`` are kept for scheduled work while it has any waiting, and
    it takes no more; ad-hoc work uses what is left, up to ``adhoc``. None or 0 sets no limit.
    """
    limits = []
    if total:
        limits.append(SeatLimit("total", "all", total))
    if scheduled:
        limits.append(SeatLimit("class", str(CLASSES["scheduled"]), scheduled, least=scheduled))
    if adhoc:
        limits.append(SeatLimit("class", str(CLASSES["ad-hoc"]), adhoc))
    return limits


async def forget_others(db: Db, limits: Sequence[SeatLimit]) -> None:
    """Remove the limits for all jobs and for classes that are not among ``limits``. For a process whose operator sets
    any of them, and be it to 0; one that sets none leaves what others have set.
    """
    scopes, names = [limit.scope for limit in limits], [limit.name for limit in limits]
    for row in await db.fetch(SQL.get("drop_seat_limits"), scopes, names):
        log.warning("seats.limit_dropped scope=%s name=%s", row["scope"], row["name"])
