"""Backups: one file of one moment, and a restore that repeats nothing."""

from __future__ import annotations

import asyncio
import os
from datetime import datetime, timedelta
from pathlib import Path

import asyncpg
import pytest

from openbell.engine.books import list_books, resume
from openbell.engine.errors import Fenced
from openbell.engine.ledger import Limit
from openbell.engine.registry import hours
from openbell.mail import queue as queue_mail
from openbell.mail.control import read_switch
from openbell.people import add_person
from openbell.people.doors import make_link
from openbell.postgres.backup import HEAD, BackupError, backup, expired, read_head, restore, verify
from openbell.postgres.migrate import migrate
from openbell.postgres.pool import open_pool
from tests.engine.hand import Hand, declare, per_minute, queue
from tests.engine.purse import buy
from tests.engine.test_schedules import chore, every, set_up
from tests.support import TestServer

BUDGET = Limit("shop", "usd_micro", "year", 10_000, closes="charge")
SUMS = """select held, spent, overrun,
    coalesce((select sum(h.amount) from openbell.hold h where h.account_id = a.id), 0)
        + coalesce((select sum(g.amount) from openbell.aging g where g.account_id = a.id), 0) as bound
    from openbell.account a order by a.id"""


async def test_a_restore_repeats_nothing(
    pool: asyncpg.Pool, dsn: str, empty_dsn: str, server: TestServer, tmp_path: Path
) -> None:
    """Platform F: restored data is that of the snapshot; tokens are fenced, calls in doubt, money and mail wait."""
    await set_up(pool, chore(), schedules=[every(max_late=timedelta(days=1))])
    await pool.execute("update openbell.schedule set next_at = openbell.now() - interval '1 minute'")
    person = await add_person(pool, "jane@example.com", state="active", actor="test")
    await make_link(pool, person.id, "sign-in")
    await queue_mail(pool, kind="notice", recipient=person, subject="News", html="<p>x</p>", text="x", ref="one")
    hand = await Hand.hire(pool, declare(timeout=hours(1)), limits=[BUDGET, per_minute(100)])
    await queue(pool, "made", "running")
    made, running = await hand.claim(2)
    await buy(hand.attempt(made).spends("shop"), usd_micro=100, took=80)
    await hand.publish(made, {"n": 1, "at": None, "text": "kept"})
    async with hand.attempt(running).spends("shop").call("buy", effect="never", usd_micro=100):
        file = tmp_path / "one.openbell-backup"
        head = await backup(dsn, file, actor="test")  # in the middle of a call that is intended and not sent
        await buy(hand.attempt(running).spends("shop"), usd_micro=50, took=50)  # after the backup: not in it
    assert verify(file) == read_head(file) == head
    assert (head.figures["artifacts"], head.figures["spends"], head.figures["cost_micro"]) == (1, 2, 80)
    assert file.stat().st_mode & 0o077 == 0, "it holds addresses of people"
    with pytest.raises(BackupError, match="there already"):
        await backup(dsn, file, actor="test")

    await restore(empty_dsn, file, actor="test")
    there = await open_pool(empty_dsn, name="test")
    try:
        await migrate(empty_dsn)
        assert await there.fetchval("select value ->> 'text' from openbell.version") == "kept"
        spends = {
            row["state"]
            for row in await there.fetch("select state::text from openbell.spend where job_id = $1", running.id)
        }
        assert spends == {"unknown"}, "it may have been sent since"
        assert [tuple(row) for row in await there.fetch("select held = bound, spent >= 0 from (" + SUMS + ") s")] == [
            (True, True)
        ] * 2
        [book] = [one for one in await list_books(there) if one.resource == "usd_micro"]
        assert (book.used, book.doubtful) == (180, 100)
        assert "restored from a backup" in (book.blocked_reason or "")

        other = await Hand.hire(there, declare(timeout=hours(1)), limits=[BUDGET, per_minute(100)])
        late = Hand(there, running.id, hand.products, other.ledger, other.accounts)
        with pytest.raises(Fenced):
            await buy(late.attempt(running).spends("shop"), usd_micro=1)
        assert await late.publish(running, {"n": 2, "at": None, "text": "late"}) is None
        await queue(there, "new")
        assert await other.claim() == [], "what would cost waits for an operator"
        assert await resume(there, "shop", reason="compared", actor="test") == 1
        [claim] = await other.claim()
        await buy(other.attempt(claim).spends("shop"), usd_micro=1)

        assert (await read_switch(there)).stopped
        states = await there.fetch("select state, note from openbell.delivery")
        assert [(row["state"], "may have been sent" in row["note"]) for row in states] == [("held", True)]
        past = datetime.fromisoformat(head.at) - timedelta(hours=1)
        again = await queue_mail(
            there, kind="notice", recipient=person, subject="News", html="<p>y</p>", text="y", ref="two", send_at=past
        )
        assert again.state == "held", "what was due before the restore may have been sent"
        assert await there.fetchval("select count(*) from openbell.link") == 0
        assert await there.fetchval("select next_at from openbell.schedule") is None, "planned anew, not run late"
        acts = await there.fetch("select action, after from openbell.audit where action = 'database.restore'")
        assert acts[0]["after"]["mails_held"] == 1
    finally:
        await there.close()
    assert await pool.fetchval("select count(*) from openbell.backup where act = 'backup'") == 1


async def test_what_a_restore_refuses(pool: asyncpg.Pool, dsn: str, tmp_path: Path) -> None:
    """Platform F: no restore over a database in use or unnamed, none of a damaged file; what fails changes nothing."""
    await add_person(pool, "jane@example.com", state="active", actor="test")
    file = tmp_path / "one.openbell-backup"
    await backup(dsn, file, actor="test")
    name = await pool.fetchval("select current_database()")
    with pytest.raises(BackupError, match=r"in use \(openbell test\)"):
        await restore(dsn, file, actor="test", replace=name)
    await pool.expire_connections()
    await pool.close()
    with pytest.raises(BackupError, match="--replace"):
        await restore(dsn, file, actor="test")

    torn = bytearray(file.read_bytes())
    torn[HEAD + 2_000] ^= 1
    damaged = tmp_path / "two.openbell-backup"
    damaged.write_bytes(torn)
    with pytest.raises(BackupError, match="damaged"):
        await restore(dsn, damaged, actor="test", replace=name)
    (tmp_path / "three").write_bytes(b"x" * 5_000)
    with pytest.raises(BackupError, match="no backup"):
        verify(tmp_path / "three")

    locker = await asyncpg.connect(dsn)
    async with locker.transaction():
        await locker.execute("lock table openbell.person in share mode")
        with pytest.raises(BackupError, match="lock timeout"):
            await restore(dsn, file, actor="test", replace=name)
    assert await locker.fetchval("select count(*) from openbell.person") == 1
    await restore(dsn, file, actor="test", replace=name)
    assert await locker.fetchval("select address from openbell.person") == "jane@example.com"
    await locker.close()


async def test_retention(pool: asyncpg.Pool, dsn: str, tmp_path: Path) -> None:
    """PF-37: of a folder's backups the latest stay; a file that is no backup is never removed."""
    files = [tmp_path / f"{n}.openbell-backup" for n in range(3)]
    for file in files:
        await backup(dsn, file, actor="test")
    (tmp_path / "mine.openbell-backup").write_text("something else")
    assert sorted(expired(tmp_path, 2)) == files[:1]
    processes = await asyncio.create_subprocess_exec(
        *["ps", "--ppid", str(os.getpid()), "-o", "args"],  # ours: others on this machine may make a backup, too
        stdout=asyncio.subprocess.PIPE,
        env={"PATH": os.environ["PATH"]},
    )
    listed, _ = await processes.communicate()
    assert b"pg_dump" not in listed, "nothing is left running"
