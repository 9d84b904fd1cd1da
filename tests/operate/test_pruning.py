"""What is forgotten in time: by an index, so that forgetting costs what is forgotten and not what is kept."""

from __future__ import annotations

from datetime import timedelta

import asyncpg

from openbell.engine import alerts
from openbell.engine.database import SQL as ENGINE
from openbell.mail.database import SQL as MAIL
from openbell.postgres.queries import Queries
from tests.support import Clock

ROWS = 20_000


async def test_silences_and_counts_of_notes_are_forgotten(pool: asyncpg.Pool, clock: Clock) -> None:
    """PF-37: a silence that ended, and how many notes were asked for on a day, are kept for a time and then removed."""
    await pool.execute(
        "insert into openbell.alert_silence (code, until, actor, reason) values"
        " ('depth', openbell.now() + interval '1 hour', 'test', 'quiet'),"
        " ('stuck', openbell.now() + interval '80 days', 'test', 'quiet')"
    )
    await pool.execute(
        "insert into openbell.forecast_note_count select openbell.now()::date + n, 1, 1 from generate_series(0, 9) n"
    )
    prune_counts = Queries("openbell.products.forecast").get("prune_note_counts")
    await alerts.prune(pool)
    await pool.execute(prune_counts, timedelta(days=2), 100)
    assert await pool.fetchval("select count(*) from openbell.alert_silence") == 2
    assert await pool.fetchval("select count(*) from openbell.forecast_note_count") == 10
    await clock.advance(days=100)
    await alerts.prune(pool)
    await pool.execute(prune_counts, timedelta(days=2), 4)
    assert [row["code"] for row in await pool.fetch("select code from openbell.alert_silence")] == ["stuck"]
    assert await pool.fetchval("select count(*) from openbell.forecast_note_count") == 6


async def test_mails_are_forgotten_and_counted_by_an_index(pool: asyncpg.Pool) -> None:
    """With very many mails of late, forgetting old ones and counting those that wait read none of them."""
    await pool.execute(
        "insert into openbell.delivery (kind, artifact, version, address, message_id, send_at, expires_at, state,"
        " state_at) select 'notice', 'a', 1, n || '@openbell.example', 'm' || n, t.at, t.at + interval '1 day',"
        " 'sent', t.at"
        " from generate_series(1, $1::integer) n, lateral (select openbell.now() - n * interval '1 second' as at) t",
        ROWS,
    )
    await pool.execute("analyze openbell.delivery")
    for statement, arguments in (
        (MAIL.get("prune_deliveries"), (timedelta(days=400), 1_000)),
        (ENGINE.get("read_metrics"), ()),
    ):
        plan = "\n".join(row[0] for row in await pool.fetch(f"explain {statement}", *arguments))
        assert "Seq Scan on delivery" not in plan, plan
