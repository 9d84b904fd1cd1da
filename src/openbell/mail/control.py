"""What an operator may do to the queue: hold, release, cancel, undo, send now, and the one switch that stops all mail.

Each is one statement over the rows that allow it; whoever sends reads the row, and the switch, right before the mail
leaves. All of it is audited.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from openbell.engine.database import SQL as ENGINE
from openbell.engine.database import Db
from openbell.mail.database import SQL
from openbell.mail.deliveries import MailError, look
from openbell.people.addresses import fingerprint, normalise
from openbell.people.database import transaction

KEPT = timedelta(days=90)
"""How long a mail is kept after it has ended."""
MOST_PRUNED = 1_000

Act = Literal["hold", "release", "cancel", "undo", "send-now"]
Reason = Literal["refused", "bounced", "complained", "asked"]

ACTS: Mapping[Act, tuple[tuple[str, ...], str]] = {
    "hold": (("ready",), "held"),
    "release": (("held",), "ready"),
    "cancel": (("ready", "held"), "cancelled"),
    "undo": (("cancelled",), "was"),
    "send-now": (("ready", "held", "failed", "unknown"), "ready"),
}
"""By act: the states in which it may be done, and the one that follows; `was` is the one before it was cancelled."""


async def act(db: Db, name: Act, ids: Sequence[int], *, actor: str) -> list[int]:
    """Do this to deliveries; the ids of those that it was done to, the others have moved on. Raises :class:`MailError`.

    `undo` brings back what was cancelled and has not expired; `send-now` does not wait for its time, nor for approval,
    and tries once more what has failed. What may have left already is sent again only after its spend has been resolved
    as never happened: the ledger refuses it before.
    """
    if name not in ACTS:
        raise MailError(f"There is no {name!r}; what can be done is {', '.join(ACTS)}.")
    states, state = ACTS[name]
    async with transaction(db) as conn:
        rows = await conn.fetch(SQL.get("move_deliveries"), list(ids), list(states), state, name, actor)
        for row in rows:
            if row["state"] == "ready":
                await look(conn, [row["id"]], row["send_at"])
    return [row["id"] for row in rows]


async def stop_kind(db: Db, kind: str, artifact: str, note: str, *, actor: str) -> int:
    """Hold everything of one kind that waits and tells the same artifact; how many there were. Audited."""
    return int(await db.fetchval(SQL.get("hold_campaign"), kind, artifact, note, actor))


@dataclass(frozen=True, slots=True)
class Switch:
    """Whether all mail is stopped, since when, by whom and why."""

    stopped: bool
    at: datetime | None = None
    actor: str = ""
    reason: str = ""


async def read_switch(db: Db) -> Switch:
    """The emergency stop as it stands."""
    found: dict[str, Any] | None = await db.fetchval(SQL.get("read_switch"))
    if not found:
        return Switch(stopped=False)
    return Switch(stopped=True, at=datetime.fromisoformat(found["at"]), actor=found["actor"], reason=found["reason"])


async def stop_all(db: Db, *, reason: str, actor: str) -> None:
    """Stop all mail: what has not been handed over stays here, from this commit on. Audited."""
    if not reason.strip():
        raise MailError("Stopping all mail needs a reason, for whoever finds it stopped.")
    await db.execute(SQL.get("stop_mail"), actor, reason.strip()[:300])


async def resume_all(db: Db, *, actor: str) -> int:
    """End the stop; what is due is looked at again at once, what has expired meanwhile is not sent. Audited."""
    async with transaction(db) as conn:
        if await conn.fetchval(SQL.get("resume_mail"), actor) is None:
            return 0
        return await sweep(conn)


async def sweep(db: Db) -> int:
    """Expire what was not sent in its time, and have everything looked at that is due and has no job; how many."""
    await db.execute(SQL.get("expire_deliveries"))
    ids = [row["id"] for row in await db.fetch(SQL.get("find_due"))]
    await look(db, ids)
    return len(ids)


async def suppress(db: Db, address: str, reason: Reason, *, detail: str = "", actor: str) -> None:
    """Send nothing to an address any more, as when it bounced. Audited without the address."""
    written = normalise(address)
    domain = written.rpartition("@")[2]
    await db.execute(SQL.get("add_suppression"), fingerprint(written), domain, reason, detail[:300])
    after = {"domain": domain, "reason": reason}
    await db.execute(ENGINE.get("add_audit"), actor, "mail.suppress", f"address at {domain}", after)


async def unsuppress(db: Db, address: str, *, actor: str) -> bool:
    """Let an address be sent to again; False when it was not suppressed. Audited."""
    written = normalise(address)
    domain = written.rpartition("@")[2]
    if await db.fetchval(SQL.get("drop_suppression"), fingerprint(written)) is None:
        return False
    await db.execute(ENGINE.get("add_audit"), actor, "mail.unsuppress", f"address at {domain}", {"domain": domain})
    return True


async def suppressions(db: Db, limit: int = 100) -> list[dict[str, Any]]:
    """The latest suppressions, by domain and reason; the addresses themselves are not kept."""
    return [dict(row) for row in await db.fetch(SQL.get("list_suppressions"), limit)]


async def counts(db: Db) -> list[dict[str, Any]]:
    """How many deliveries of each kind are in each state, of the last two days and of those that wait."""
    return [dict(row) for row in await db.fetch(SQL.get("count_deliveries"))]


async def prune(db: Db) -> None:
    """Forget mails and their letters long after they have ended, some at a time. What may have left without anybody's
    knowing stays until it is resolved; that a Message-ID has left stays in the books of spends.
    """
    await db.execute(SQL.get("prune_deliveries"), KEPT, MOST_PRUNED)
    await db.execute(SQL.get("prune_letters"), KEPT, MOST_PRUNED)
