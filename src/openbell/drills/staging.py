"""The drill of staging: a production with people, a staging made of it, and everything tried there that could do harm.

It proves, with figures: nothing of a person is in the copy; with every flag on and mails of every kind queued to many,
the mail server was handed mails to the admin alone; no schedule fired but the one that looks after queued mail;
production refuses to be wiped, by its own process and by one that believes to be staging.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass

import asyncpg
import httpx

from openbell.bench.house import SETTINGS
from openbell.drills.databases import another
from openbell.mail.deliveries import queue_all
from openbell.mail.kinds import KINDS
from openbell.mail.letters import Letter
from openbell.people import add_person, consent
from openbell.postgres.pool import connect, open_pool
from openbell.postgres.queries import Queries
from openbell.products import registry
from openbell.products.digest.reference import import_rows, starter
from openbell.products.operations import OPERATIONS, RefusedHere, run
from openbell.products.staging import create

SQL = Queries("openbell.drills")
ADMIN = "drill-admin@openbell.example"
MARK = "zebra-quartz"
"""Stands in every address and name of the production's people, and must stand nowhere in the copy."""
WATCHED_S = 15.0
PATIENCE_S = 120.0


@dataclass(frozen=True, slots=True)
class Proved:
    """What was seen; every promise is a number that must be as it is said."""

    people: int
    copied_rows: int
    tables_searched: int
    personal_rows: int
    personal_rows_of_production: int
    mails_queued: int
    mails_to_admin: int
    mails_to_others: int
    flags_on: int
    schedules_fired: int
    wipes_tried: int
    wipes_refused: int
    left_after: int

    @property
    def faults(self) -> list[str]:
        """What was promised and is not so."""
        wrong = []
        if not self.personal_rows_of_production:
            wrong.append("the search found nobody in production, so it proves nothing")
        if self.personal_rows:
            wrong.append(f"{self.personal_rows} rows of the copy tell of a person")
        if self.mails_to_others or not self.mails_to_admin:
            wrong.append(f"{self.mails_to_others} mails went to others than the admin, {self.mails_to_admin} to them")
        if self.schedules_fired:
            wrong.append(f"{self.schedules_fired} occurrences of schedules fired")
        if self.wipes_refused != self.wipes_tried or self.left_after != self.people:
            wrong.append(f"production was wiped: {self.left_after} of {self.people} people are left")
        return wrong

    def as_json(self) -> dict[str, object]:
        """The line of figures."""
        return asdict(self) | {"faults": self.faults}


async def play(dsn: str, sandbox: str, people: int, say: Callable[[str], None]) -> Proved:
    """The whole drill over an empty, migrated database at ``dsn``; a second one is made beside it."""
    say("Peopling a production")
    production = await open_pool(dsn, name="drill", max_size=2)
    await _people(production, people)
    target = await another(dsn, "drill_staging")
    say("Making a staging of it")
    copied = await create(dsn, target, registry())
    tables, personal = await _search(target)
    _, there = await _search(dsn)
    say("Trying in staging what could do harm")
    staging = await open_pool(target, name="drill", max_size=2)
    queued = await _arm(staging, people)
    flags = await staging.fetchval(SQL.get("switch_all_flags_on"))
    boxes = await _work(target, sandbox, staging)
    fired = await staging.fetchval(SQL.get("count_fired"))
    tried, refused = await _wipe(production)
    left = await production.fetchval(SQL.get("count_people"))
    for pool in (staging, production):
        pool.terminate()
    admins = boxes.pop(ADMIN, 0)
    return Proved(
        people, sum(copied.rows.values()), tables, personal, there, queued, admins, sum(boxes.values()), flags, fired,
        tried, refused, left,
    )  # fmt: skip


async def _people(pool: asyncpg.Pool, many: int) -> None:
    """A production: reference data, people, what they follow, a mail to each, results; all of it marked."""
    await registry().seed(pool)
    await pool.execute(SQL.get("stamp_production"))
    async with pool.acquire() as proxy:
        await import_rows(proxy, starter(), source="starter", actor=MARK)  # type: ignore[arg-type]
    for number in range(many):
        person = await add_person(pool, f"{MARK}-{number}@example.com", name=f"{MARK} {number}", state="active")
        await consent(pool, person.id, ["terms", "privacy", "mail"], given=True, source="drill")
        await pool.execute(SQL.get("follow_some"), person.id)
        await queue_all(pool, kind="notice", recipients=[person], letter=Letter(MARK, f"<p>{MARK}</p>", MARK, {}))
    await pool.execute(SQL.get("publish_sample"), MARK)


async def _search(dsn: str) -> tuple[int, int]:
    """How many tables were read, every row as text, and how many rows hold the mark."""
    connection = await connect(dsn, name="drill")
    names = [row["name"] for row in await connection.fetch(SQL.get("list_all_tables"))]
    found = 0
    for name in names:
        found += await connection.fetchval(SQL.get("count_marked").replace("TABLE_NAME", name), MARK)
    await connection.close()
    return len(names), found


async def _arm(pool: asyncpg.Pool, many: int) -> int:
    """People in staging too, and a mail of each kind to each of them: what the dry run has to hold."""
    await registry().seed(pool)
    await add_person(pool, ADMIN, role="admin", state="active")
    made = [await add_person(pool, f"tester-{n}@example.com", state="active") for n in range(many)]
    queued = 0
    for person in made:
        await consent(pool, person.id, ["terms", "privacy", "mail"], given=True, source="drill")
    for kind in KINDS:
        letter = Letter(f"Drill {kind}", "<p>Drill</p>", "Drill", {})
        queued += len(await queue_all(pool, kind=kind, recipients=made[:5], letter=letter))
    return queued


async def _work(dsn: str, sandbox: str, pool: asyncpg.Pool) -> dict[str, int]:
    """A worker with the settings of staging and nothing overridden; whose boxes it has filled."""
    async with httpx.AsyncClient(base_url=sandbox) as http:
        port = (await http.get("/_control/ports")).json()["smtp"]
        settings = {
            "ENVIRONMENT": "staging", "ADMIN_EMAIL": ADMIN, "DATABASE_URL": dsn, "DIRECT_DATABASE_URL": dsn,
            "SMTP_HOST": "127.0.0.1", "SMTP_PORT": str(port), "SMTP_TLS": "none", "FMP_BASE_URL": f"{sandbox}/fmp",
            "FMP_API_KEY": "sandbox", "MAIL_FROM": "Openbell <mail@openbell.example>",
            "PUBLIC_URL": "https://staging.example.com", "MAILS_PER_MINUTE": "1000", "MAILS_PER_DOMAIN": "1000",
        }  # fmt: skip
        clean = {name: value for name, value in os.environ.items() if not SETTINGS.match(name)}
        worker = await asyncio.create_subprocess_exec(
            *[sys.executable, "-P", "-m", "openbell", "worker"],
            env=clean | settings,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        try:
            async with asyncio.timeout(PATIENCE_S):
                while await pool.fetchval(SQL.get("count_unsent")):
                    await asyncio.sleep(0.2)
            await asyncio.sleep(WATCHED_S)  # schedules look every few seconds: time enough for one to fire
        finally:
            if worker.returncode is None:
                worker.terminate()
            await worker.wait()
        return dict((await http.get("/_control/smtp/mails")).json()["recipients"])


async def _wipe(pool: asyncpg.Pool) -> tuple[int, int]:
    """Try to wipe the production by processes of each environment."""
    environments = ("production", "staging", "development")
    refused = 0
    for environment in environments:
        async with pool.acquire() as proxy:
            try:
                await run(proxy, OPERATIONS["wipe-database"], {}, actor="drill", environment=environment)  # type: ignore[arg-type]
            except RefusedHere:
                refused += 1
    return len(environments), refused
