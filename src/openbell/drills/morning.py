"""`openbell drill morning`: digests for many people, while workers die, are replaced, and a provider is away.

Several worker processes share one database, each with a scheduler of its own. The one clock is moved, and the
sandbox's with it: it runs by itself while anything is at work and jumps to what is due next when nothing is, so that a
slow machine takes longer and breaks no promise. What should have arrived is worked out from who follows what, and
looked up in the sandbox's boxes and its ledger, not in our books.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from itertools import islice
from time import monotonic
from typing import Any, cast
from zoneinfo import ZoneInfo

import asyncpg
import httpx

from openbell.drills.morning_worker import MODEL, declared
from openbell.engine.schedules import seed_schedules, set_schedule
from openbell.people import Person, add_person, consent, follow, move
from openbell.people.credits import take_credit
from openbell.postgres.pool import open_pool
from openbell.postgres.queries import Queries
from openbell.products.digest.morning import DAYS
from openbell.products.digest.reference import Reference, import_rows, read_rows, write_rows
from openbell.products.digest.requests import ask_for, key_for
from openbell.products.digest.timetable import ZONE
from openbell.sandbox.companies import COMPANIES

SQL = Queries("openbell.drills")
TUESDAY = 1
MOST_TICKERS_EACH = 3
ONLY_ASKED = 3
"""Of those who ask in the middle, so many want a ticker that nobody follows; the others want what is being made."""
DOMAINS = 10
LOOK_S = 0.1
CALM = 3
"""So many looks in a row must find nothing at work before the clock jumps."""
CALM_RUNNING = 8
"""The same where jobs run without a call under way: they wait for a limit of a minute, or read pages."""
STEP = timedelta(seconds=10)
"""How far it jumps at most then."""
QUIET_S = 120.0
IN_TIME = timedelta(minutes=15)
"""How long after their time the last mail may arrive: that is a matter of how many may leave a minute."""
SLACK = timedelta(seconds=5)
OVER = timedelta(hours=2)
PROVIDER = "anthropic"
OUTAGES = {"model": (PROVIDER, "overloaded"), "news": ("news", "reset")}
"""Who is away, and how: a model answers that it is overloaded, feeds and pages break the connection."""
EVENTS = (("kill", 0.0), ("requests", 0.0), ("outage", 0.1), ("kill", 0.1), ("deploy", 0.2))
"""What happens, and which share of the digests is mailed by then."""

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Size:
    """How much of a morning; smaller is for trying it out. ``send`` is the hour and minute of sending in New York."""

    tickers: int = 60
    people: int = 200
    requests: int = 5
    workers: int = 3
    slots: int = 4
    send: str = "08:30"
    outage: str = "model"
    outage_min: int = 4
    seed: int = 1
    model: str = MODEL


@dataclass(slots=True)
class Played:
    """What a morning came to, and which promises it broke."""

    seconds: float = 0.0
    digests: int = 0
    quiet: int = 0
    built_by: str = ""
    sent_at: str = ""
    last_mail_at: str = ""
    due: int = 0
    arrived: int = 0
    inner: int = 0
    alerts: int = 0
    served: int = 0
    killed: int = 0
    cut_off: list[int] = field(default_factory=list)
    replaced: int = 0
    outage_calls: int = 0
    left_mails: int = 0
    paid_calls: int = 0
    paid_twice: int = 0
    answers_lost: int = 0
    cost_micro: int = 0
    faults: list[str] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        return {name: getattr(self, name) for name in self.__slots__}


def day_after(today: date) -> date:
    """The next Tuesday, whose edition is a daily one."""
    return today + timedelta(days=(TUESDAY - today.weekday() - 1) % 7 + 1)


def follows_of(size: Size) -> list[list[int]]:
    """Who follows which tickers, by number: one to three each, and every ticker has somebody. Pure and seeded."""
    dice = random.Random(size.seed)  # noqa: S311 -- a crowd, no secret
    found = []
    for n in range(size.people):
        more = dice.sample(range(size.tickers), min(dice.randint(0, MOST_TICKERS_EACH - 1), size.tickers))
        found.append(list(dict.fromkeys([n % size.tickers, *more]))[:MOST_TICKERS_EACH])
    return found


def references(count: int) -> list[Reference]:
    """Companies of the sandbox, each with its sector and the next one as its competitor."""
    names = list(islice(COMPANIES.values(), count))
    found = []
    for n, one in enumerate(names):
        other = names[(n + 1) % count]
        rival = f"{other.symbol}: {other.name}"
        found.append((one, rival))
    rows = "".join(f'{one.symbol},"{one.name}",{one.sector},"{rival}"\n' for one, rival in found)
    read, errors = read_rows(f"ticker,name,industry,competitors\n{rows}")
    assert not errors, errors
    return read


async def play(dsn: str, sandbox: str, size: Size, say: Say) -> Played:
    """One morning on a database and a sandbox that hold nothing yet."""
    pool = await open_pool(dsn, name="drill", max_size=3)
    begun = monotonic()
    async with httpx.AsyncClient(base_url=sandbox, timeout=60) as control:
        stage = Stage(pool, dsn, sandbox, control, size, say)
        try:
            await stage.prepare()
            await stage.run()
            await stage.look()
        finally:
            await stage.end()
            pool.terminate()
    stage.played.seconds = round(monotonic() - begun, 1)
    return stage.played


@dataclass(slots=True)
class Stage:
    """The database, the sandbox, and the processes between them."""

    pool: asyncpg.Pool
    dsn: str
    sandbox: str
    control: httpx.AsyncClient
    size: Size
    say: Say
    played: Played = field(default_factory=Played)
    hands: dict[str, asyncio.subprocess.Process] = field(default_factory=dict)
    hired: int = 0
    smtp: int = 0
    tickers: list[str] = field(default_factory=list)
    people: dict[str, list[str]] = field(default_factory=dict)
    askers: list[Person] = field(default_factory=list)
    leaver: Person | None = None
    day: date = date.min
    send_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    asked: list[str] = field(default_factory=list)
    outage_until: datetime | None = None
    log: Any = asyncio.subprocess.DEVNULL

    @property
    def due(self) -> datetime:
        """When the digests are begun."""
        return datetime.combine(self.day, time(2), ZoneInfo(ZONE))

    async def prepare(self) -> None:
        """Companies, people and what they follow, the timetable, and the clock a minute before the hour."""
        self.smtp = (await self.control.get("/_control/ports")).json()["smtp"]
        now: datetime = await self.pool.fetchval(SQL.get("read_clock"))
        self.day = day_after(now.astimezone(ZoneInfo(ZONE)).date())
        hour, minute = map(int, self.size.send.split(":"))
        self.send_at = datetime.combine(self.day, time(hour, minute), ZoneInfo(ZONE))
        found = references(self.size.tickers + ONLY_ASKED)
        self.tickers = [one.ticker for one in found]
        registry = declared()
        await registry.seed(self.pool)
        await seed_schedules(self.pool, registry.schedules.values())
        async with self.pool.acquire() as proxy:
            conn = cast("asyncpg.Connection", proxy)
            await import_rows(conn, write_rows(found), source="drill", actor="drill")
        send = f"digest-send-{DAYS[self.day.weekday()]}"
        cron = f"{minute} {hour} * * {DAYS[self.day.weekday()]}"
        await set_schedule(self.pool, send, {"cron": cron}, actor="drill")
        await self._invite()
        await self._move(self.due - timedelta(minutes=1))

    async def run(self) -> None:
        """Let the hour come, let things happen, and go on until the mails are out."""
        for _ in range(self.size.workers):
            await self._hire()
        await self._planned()
        await self._move(self.due)
        events, calm, since, told = list(EVENTS), 0, monotonic(), 0.0
        before: tuple[int, ...] = ()
        while True:
            state = await self.pool.fetchrow(SQL.get("count_editions_mailed"), self.day)
            pace = await self.pool.fetchrow(SQL.get("read_pace"))
            assert state is not None
            assert pace is not None
            share = state["mailed"] / state["planned"] if state["planned"] else 0.0
            if monotonic() - told > 5:
                told = monotonic()
                self.say(f"{pace['now'].astimezone(ZoneInfo(ZONE)):%H:%M}, {state['mailed']} of {state['planned']}")
            if state["planned"] and events and share >= events[0][1] and await self._happen(events[0][0]):
                events.pop(0)
                calm = 0
            await self._end_outage(pace["now"])
            if share == 1 and self.leaver is None and pace["now"] < self.send_at:
                await self._leave()
            if await self._is_over(pace):
                break
            here = (pace["ended"], pace["calls"], state["mailed"])
            if here != before:
                before, since, calm = here, monotonic(), 0
            calm = 0 if _is_at_work(pace) else calm + 1
            if calm >= (CALM_RUNNING if pace["running"] else CALM):
                await self._jump(pace)
                calm = 0
            elif monotonic() - since > QUIET_S:
                self.played.faults.append(f"{pace['ready']} jobs: none ended within {QUIET_S:g} s")
                break
            await asyncio.sleep(LOOK_S)
        self.played.faults += [f"no {name} could happen: the work was over before" for name, _ in events]

    async def look(self) -> None:
        """What arrived, when, and what was charged."""
        state = await self.pool.fetchrow(SQL.get("count_editions_mailed"), self.day)
        assert state is not None
        played = self.played
        played.digests, played.quiet = state["planned"], state["quiet"]
        if state["planned"] != self.size.tickers:
            played.faults.append(f"{state['planned']} digests were planned for {self.size.tickers} tickers")
        if state["mailed"] != state["planned"] or state["mailed_at"] is None or state["mailed_at"] >= self.send_at:
            played.faults.append(f"{state['mailed']} of {state['planned']} digests were ready before they were due")
        elif state["mailed_at"] is not None:
            played.built_by = _clock(state["mailed_at"])
        if played.quiet > self.size.tickers // 10:
            played.faults.append(f"{played.quiet} digests are quiet on a day that has news")
        played.sent_at = _clock(self.send_at)
        await self._look_at_mails()
        await self._look_at_requests()
        await self._look_at_money()

    async def end(self) -> None:
        """End the processes that are left."""
        for process in self.hands.values():
            if process.returncode is None:
                process.terminate()
        for process in self.hands.values():
            await process.wait()

    async def _invite(self) -> None:
        admin = await add_person(
            self.pool, "admin@drill.example", name="Admin", role="admin", state="active", actor="drill"
        )
        await consent(self.pool, admin.id, ["terms", "privacy", "mail"], given=True, source="drill")
        for n, wanted in enumerate(follows_of(self.size)):
            address = f"reader{n + 1}@d{n % DOMAINS}.drill.example"
            person = await add_person(self.pool, address, name=f"Reader {n + 1}", state="active", actor="drill")
            await consent(self.pool, person.id, ["terms", "privacy", "mail"], given=True, source="drill")
            self.people[address] = [self.tickers[one] for one in wanted]
            for ticker in self.people[address]:
                await follow(self.pool, person, ticker)
            if len(self.askers) < self.size.requests:
                self.askers.append(person)

    async def _hire(self) -> None:
        self.hired += 1
        name = f"drill {self.hired}"
        options = {"name": name, "slots": self.size.slots, "smtp": self.smtp, "model": self.size.model}
        self.hands[name] = await asyncio.create_subprocess_exec(
            *[sys.executable, "-P", "-m", "openbell.drills.morning_worker", self.dsn, self.sandbox],
            json.dumps(options),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=self.log,
        )

    async def _planned(self) -> None:
        """Until a scheduler knows when everything is due."""
        end = monotonic() + 60
        while monotonic() < end:
            pace = await self.pool.fetchrow(SQL.get("read_pace"))
            if pace is not None and pace["due_at"] is not None and pace["unplanned"] == 0:
                return
            await asyncio.sleep(LOOK_S)
        raise RuntimeError("No worker has planned the schedules within a minute.")

    async def _happen(self, event: str) -> bool:
        """Let something happen; False when it cannot yet."""
        if event == "kill":
            return await self._kill()
        self.say(f"now: {event}")
        if event == "requests":
            await self._request()
        elif event == "outage":
            provider, kind = OUTAGES[self.size.outage]
            fault = {"provider": provider, "path": "*", "kind": kind}
            (await self.control.post("/_control/faults", json=fault)).raise_for_status()
            self.outage_until = await self.pool.fetchval(SQL.get("read_clock")) + timedelta(
                minutes=self.size.outage_min
            )
        else:
            await self._deploy()
        return True

    async def _kill(self) -> bool:
        """A worker that is in the middle of something dies without a word, and another one comes."""
        name = await self.pool.fetchval(SQL.get("find_busy_worker"))
        if name not in self.hands:
            return False
        process = self.hands.pop(name)
        process.kill()
        await process.wait()
        cut_off: int = await self.pool.fetchval(SQL.get("count_held_digests"), name)
        self.say(f"now: kill {name}, at {cut_off} digests")
        await self.pool.execute(SQL.get("expire_worker"), name)
        await self._hire()
        if not cut_off:  # they ended in the moment before: this one does not count
            return False
        self.played.killed += 1
        self.played.cut_off.append(cut_off)
        return True

    async def _deploy(self) -> None:
        """Every worker is asked to stop and replaced, one after the other."""
        for name, process in list(self.hands.items()):
            del self.hands[name]
            process.terminate()
            await process.wait()
            if process.returncode:
                self.played.faults.append(f"a worker that was asked to stop ended with {process.returncode}")
            self.played.replaced += 1
            await self._hire()

    async def _request(self) -> None:
        """People ask for a digest now, as the API does it: what is new takes a credit, what is under way is joined."""
        wanted = [*self.tickers[self.size.tickers :], *reversed(self.tickers[: self.size.tickers])]
        for person, ticker in zip(self.askers, wanted, strict=False):
            async with self.pool.acquire() as conn, conn.transaction():
                key = await key_for(conn, ticker)
                asked = await ask_for(conn, key, source=f"user:{person.id}", job_class="ad-hoc")
                if asked.created and asked.job_id is not None:
                    await take_credit(conn, person, product="digest", key=key, job_id=asked.job_id)
            self.asked.append(str(key))

    async def _end_outage(self, now: datetime) -> None:
        if self.outage_until is None or now < self.outage_until:
            return
        self.outage_until = None
        found = (await self.control.get("/_control/faults")).json()["faults"]
        self.played.outage_calls = sum(one["hits"] for one in found)
        await self.control.delete("/_control/faults")
        self.say("the provider is back")

    async def _leave(self) -> None:
        """Somebody whose mails wait already."""
        address = next(iter(self.people))
        self.leaver = next(one for one in self.askers if one.address == address)
        await move(self.pool, self.leaver.id, "leave", actor="drill")
        self.say(f"{self.leaver.name} leaves")

    async def _is_over(self, pace: asyncpg.Record) -> bool:
        if pace["now"] < self.send_at + IN_TIME:
            return False
        unsent = await self.pool.fetchval(SQL.get("count_unsent"))
        if pace["now"] > self.send_at + OVER:
            self.played.faults.append(f"{unsent} mails had not left {OVER} after their time")
            return True
        return not unsent and not pace["ready"] and not pace["running"]

    async def _jump(self, pace: asyncpg.Record) -> None:
        """To what comes next."""
        next_at = [pace["parked_until"], pace["due_at"], pace["blocked_until"], self.outage_until]
        if pace["now"] < self.send_at:
            next_at.append(self.send_at)
        else:
            next_at.append(self.send_at + IN_TIME)
        if pace["running"]:
            next_at.append(pace["now"] + STEP)
        await self._move(min(one for one in next_at if one is not None and one > pace["now"]))

    async def _move(self, moment: datetime) -> None:
        """Everybody's clock; whoever is alive stays so."""
        now = await self.pool.fetchval(SQL.get("read_clock"))
        if moment <= now:
            return
        ahead = {"advance_s": (moment - now).total_seconds()}
        (await self.control.post("/_control/clock", json=ahead)).raise_for_status()
        async with self.pool.acquire() as conn, conn.transaction():
            await conn.execute(SQL.get("carry_leases"), moment)
            await conn.execute(SQL.get("set_clock"), moment)

    async def _look_at_mails(self) -> None:
        """Against who follows what: each mail once, at its time, and none to whoever left."""
        letters = {row["message_id"]: row for row in await self.pool.fetch(SQL.get("list_letters"))}
        quiet = {row["ticker"] for row in await self.pool.fetch(SQL.get("list_quiet"), self.day)}
        left = self.leaver.address if self.leaver is not None else None
        if left is None:
            self.played.faults.append("nobody could leave between build and send")
        expected = {
            (address, ticker)
            for address, tickers in self.people.items()
            for ticker in tickers
            if address != left and ticker not in quiet
        }
        got: Counter[tuple[str, str]] = Counter()
        inner: Counter[tuple[str, str]] = Counter()
        last = self.send_at
        for mail in await self._mails():
            [address] = mail["envelope"]["to"]
            letter = letters.get(mail["message_id"])
            at = datetime.fromtimestamp(mail["received_at"] / 1_000_000, UTC)
            if address == left:
                self.played.left_mails += 1
            if letter is None:
                self.played.faults.append(f"a mail arrived that nobody queued: {mail['subject']}")
            elif letter["kind"] == "digest":
                got[address, letter["ticker"]] += 1
                last = max(last, at)
                if not self.send_at - SLACK <= at <= self.send_at + IN_TIME:
                    self.played.faults.append(f"{letter['ticker']} came at {_clock(at)}, due at {self.played.sent_at}")
            elif letter["kind"] == "alert":
                self.played.alerts += 1
            else:
                inner[letter["kind"], letter["artifact"]] += 1
        self._judge_mails(expected, got, inner, len(quiet))
        self.played.last_mail_at = _clock(last)

    def _judge_mails(
        self,
        expected: set[tuple[str, str]],
        got: Counter[tuple[str, str]],
        inner: Counter[tuple[str, str]],
        quiet: int,
    ) -> None:
        played = self.played
        played.due, played.arrived, played.inner = len(expected), sum(got.values()), sum(inner.values())
        if played.left_mails:
            played.faults.append(f"{played.left_mails} mails went to the person who left")
        if missing := expected - got.keys():
            played.faults.append(f"{len(missing)} mails are missing, such as that of {sorted(missing)[0][1]}")
        if strange := got.keys() - expected:
            played.faults.append(f"{len(strange)} mails went to people who do not follow that ticker")
        if twice := [one for one, n in (got + inner).items() if n > 1]:
            played.faults.append(f"{len(twice)} mails arrived more than once")
        if len([one for one in inner if one[0] != "review"]) != 2 * (self.size.tickers - quiet):
            played.faults.append(f"{played.inner} mails for the admin, not two for each digest")

    async def _look_at_requests(self) -> None:
        served = await self.pool.fetch(SQL.get("list_served"), self.asked)
        self.played.served = len(served)
        if len(served) != self.size.requests:
            self.played.faults.append(f"{len(served)} of {self.size.requests} requests were served")

    async def _look_at_money(self) -> None:
        """The provider's ledger against what was asked: no question is charged twice."""
        entries = await self._ledger()
        billed = [one for one in entries if one["billed"]]
        asked = await self.pool.fetch(SQL.get("list_questions"), PROVIDER)
        played = self.played
        played.paid_calls, played.cost_micro = len(billed), sum(one["billed_usd_micro"] for one in billed)
        charged, unknown = sum(row["charged"] for row in asked), sum(row["unknown"] for row in asked)
        played.answers_lost = len(billed) - charged
        played.paid_twice = sum(max(0, row["charged"] - 1) for row in asked)
        if not 0 <= played.answers_lost <= unknown:
            played.faults.append(f"{len(billed)} calls are billed, {charged} are booked and {unknown} in doubt")
        if played.paid_twice:
            played.faults.append(f"{played.paid_twice} questions were paid for twice")

    async def _ledger(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        since, more = 0, True
        while more:
            params: dict[str, str | int] = {"provider": PROVIDER, "since": since}
            page = (await self.control.get("/_control/ledger", params=params)).raise_for_status().json()
            found += page["entries"]
            more = page["more"]
            since = page["entries"][-1]["n"] if page["entries"] else 0
        return found

    async def _mails(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        more = True
        while more:
            since = found[-1]["n"] if found else 0
            page = (await self.control.get("/_control/smtp/mails", params={"since": since})).raise_for_status().json()
            found += page["mails"]
            more = page["more"]
        return found


def _is_at_work(pace: asyncpg.Record) -> bool:
    """Whether anything goes on that needs no clock: what waits for a provider that nobody may ask now does not."""
    if pace["in_flight"] or (pace["due_at"] is not None and pace["due_at"] <= pace["now"]):
        return True
    return bool(pace["ready"]) and not pace["running"] and pace["blocked_until"] is None


def _clock(at: datetime) -> str:
    return f"{at.astimezone(ZoneInfo(ZONE)):%H:%M:%S}"
