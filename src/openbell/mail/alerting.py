"""Telling of alerts: by mail to the admins, through the one gate, and by a signed webhook. Once each, and when cleared.

A webhook is one POST of JSON with three headers: `X-Openbell-Event` (fired or cleared), `X-Openbell-Delivery` (the
same however often it is tried) and `X-Openbell-Signature`: `t=UNIX,v1=HEX`, where HEX is HMAC-SHA256 of `UNIX.BODY`
under the secret. Anything but a 2xx is tried again, for about a day. It costs nothing, so it is no spend.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import asyncpg
import httpx

from openbell.engine.alerts import Channel, evaluate, prune
from openbell.engine.database import SQL
from openbell.engine.duty import Duty
from openbell.mail.deliveries import queue_all
from openbell.mail.letters import HOME, render
from openbell.people.person import admins
from openbell.telemetry.tally import swallowed

log = logging.getLogger(__name__)

EVERY_S = 15.0
AT_ONCE = 20
WEBHOOK_S = 10.0
TRIES = 16
FIRST_PAUSE, LONGEST_PAUSE = timedelta(seconds=10), timedelta(hours=3)
LEASE = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Webhook:
    """Where alerts are posted, and the secret that they are signed with."""

    address: str
    secret: str = field(repr=False)

    def sign(self, body: bytes, at: int) -> str:
        """The signature of a body that is sent at this Unix time."""
        told = hmac.new(self.secret.encode(), b"%d." % at + body, hashlib.sha256).hexdigest()
        return f"t={at},v1={told}"


class Alerter(Duty):
    """Looks at the rules and tells what has changed; of all processes, whichever takes the beat."""

    name = "alerter"

    def __init__(self, pool: asyncpg.Pool, *, webhook: Webhook | None = None, home: bool = False) -> None:
        super().__init__()
        self._pool, self._webhook, self._home = pool, webhook, home

    @property
    def channels(self) -> list[Channel]:
        """How operators are told here."""
        return ["mail", "webhook"] if self._webhook else ["mail"]

    async def beat(self) -> float:
        """Look once, if nobody else just has; tell what is to be told."""
        if await self._pool.fetchval(SQL.get("begin_duty"), "alerts", timedelta(seconds=EVERY_S * 0.9)):
            await evaluate(self._pool, self.channels)
            await prune(self._pool)
        await tell_by_mail(self._pool, home=self._home)
        if self._webhook is not None:
            await tell_by_webhook(self._pool, self._webhook)
        return EVERY_S


async def tell_by_mail(pool: asyncpg.Pool, *, home: bool = False) -> int:
    """One letter about all that is to be told; how many alerts it tells of. Queued and noted in one transaction."""
    async with pool.acquire() as conn, conn.transaction():
        rows = [dict(row) for row in await conn.fetch(SQL.get("take_notices"), "mail", AT_ONCE)]
        if not rows:
            return 0
        ids = [row["id"] for row in rows]
        readers = await admins(conn)
        if not readers:
            await conn.execute(SQL.get("end_notice"), ids, "failed", "there is no admin to tell", timedelta(0))
            return 0
        letter = render(
            "alert",
            subject=_subject(rows),
            headline=_headline(rows),
            lines=[_line(row) for row in rows],
            address=f"{HOME}/console/alerts" if home else "",
        )
        await queue_all(conn, kind="alert", recipients=readers, letter=letter, ref=f"alerts {ids[0]}-{ids[-1]}")
        await conn.execute(SQL.get("end_notice"), ids, "told", f"to {len(readers)} admins", timedelta(0))
        return len(rows)


def _subject(rows: Sequence[Mapping[str, Any]]) -> str:
    first = rows[0]
    named = first["code"].replace("_", " ") + (f" ({first['about'][:80]})" if first["about"] else "")
    more = f" and {len(rows) - 1} more" if len(rows) > 1 else ""
    return f"Openbell: {'over' if first['event'] == 'cleared' else 'alert'}: {named}{more}"


def _headline(rows: Sequence[Mapping[str, Any]]) -> str:
    fired = sum(row["event"] == "fired" for row in rows)
    parts = [f"{fired} {'alert' if fired == 1 else 'alerts'}"] if fired else []
    if over := len(rows) - fired:
        parts.append(f"{over} over")
    return ", ".join(parts)


def _line(row: Mapping[str, Any]) -> str:
    if row["event"] == "cleared":
        return f"Over since {row['cleared_at']:%H:%M} UTC: {row['message']}"
    return f"Since {row['fired_at']:%H:%M} UTC: {row['message']} {row['mend']}"


async def tell_by_webhook(pool: asyncpg.Pool, webhook: Webhook) -> int:
    """Post what is to be told; how many were taken in. What was not is tried again after a growing pause."""
    async with pool.acquire() as conn, conn.transaction():  # over before the first outside call
        rows = [dict(row) for row in await conn.fetch(SQL.get("take_notices"), "webhook", AT_ONCE)]
        await conn.execute(SQL.get("put_off_notices"), [row["id"] for row in rows], LEASE)
    if not rows:
        return 0
    told = 0
    async with httpx.AsyncClient(timeout=WEBHOOK_S, follow_redirects=False) as client:
        for row in rows:
            said = await _post(client, webhook, row)
            tries = row["tries"] + 1
            state = "told" if not said else "failed" if tries >= TRIES else "ready"
            pause = min(FIRST_PAUSE * 2 ** min(tries - 1, 12), LONGEST_PAUSE)
            await pool.execute(SQL.get("end_notice"), [row["id"]], state, said, pause)
            told += not said
    return told


async def _post(client: httpx.AsyncClient, webhook: Webhook, row: Mapping[str, Any]) -> str:
    """What went wrong; empty when it was taken in."""
    now: datetime = row["now"]
    body = json.dumps(payload(row), ensure_ascii=False, sort_keys=True).encode()
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "openbell-alerts",
        "X-Openbell-Event": row["event"],
        "X-Openbell-Delivery": str(row["id"]),
        "X-Openbell-Signature": webhook.sign(body, int(now.timestamp())),
    }
    try:
        async with (
            asyncio.timeout(WEBHOOK_S),  # of the whole: an answer that drips would hold up the others
            client.stream("POST", webhook.address, content=body, headers=headers) as answer,
        ):
            return "" if answer.is_success else f"it answered {answer.status_code}"
    except (httpx.HTTPError, TimeoutError) as error:
        swallowed("alerts.webhook", error)
        return f"no answer ({type(error).__name__})"


def payload(row: Mapping[str, Any]) -> dict[str, Any]:
    """What a webhook tells."""
    told = {name: row[name] for name in ("event", "code", "about", "level", "message", "mend", "figure")}
    times = {name: row[name] and row[name].isoformat() for name in ("fired_at", "cleared_at")}
    return {"delivery": row["id"], "alert": row["alert_id"], **told, **times}
