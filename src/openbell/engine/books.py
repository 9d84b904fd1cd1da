"""The books for people: what each account grants, holds and has spent, how long it lasts, and grants of operators.

The sums themselves are kept by :mod:`openbell.engine.ledger`; here they are read, put into words and added to.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from openbell.engine.database import SQL, Db
from openbell.engine.errors import EngineError
from openbell.engine.hints import CHANNEL
from openbell.engine.ledger import MOST, Closing
from openbell.engine.naming import account_arguments, account_name, subject_name
from openbell.engine.registry import class_name

DAY = timedelta(days=1)
MINUS = "\N{MINUS SIGN}"
ALARM_AT = (75, 90, 100)
"""Used per cent of a budget from which on it is worth an alarm."""


class UnknownAccount(EngineError):
    """There is no account of that name in a period that runs."""

    code = "unknown_account"


class GrantRefused(EngineError):
    """The grant would be none, names no single budget, or takes back what is not free."""

    code = "grant_refused"


@dataclass(frozen=True, slots=True)
class Book:
    """One account, as :func:`list_books` gives it.

    ``granted`` is the limit with ``extra``, the grants of operators; ``doubtful`` is the part of ``held`` that is held
    for calls whose outcome is unknown. ``burn`` is what was taken within the last 24 hours, for what is charged, and
    ``burn_since`` when that began. In a sliding window ``frees`` more units come back at ``frees_at``.
    """

    id: int
    subject: str
    resource: str
    period: str
    closes: Closing
    span: timedelta | None
    ends_at: datetime | None
    granted: int
    extra: int
    held: int
    spent: int
    overrun: int
    doubtful: int
    doubtful_calls: int
    floors: Mapping[str, int]
    blocked_until: datetime | None
    blocked_reason: str | None
    frees_at: datetime | None
    frees: int
    burn: int | None
    burn_since: datetime | None
    now: datetime

    @property
    def name(self) -> str:
        """For people: ``Perplexity dollars, November 2026``."""
        return account_name(self.subject, self.resource, self.period, self.closes)

    @property
    def arguments(self) -> str:
        """For commands: ``perplexity usd --period 2026-11``."""
        return account_arguments(self.subject, self.resource, self.period)

    @property
    def used(self) -> int:
        """What is held, spent, and was taken beyond what was held."""
        return self.held + self.spent + self.overrun

    @property
    def free(self) -> int:
        """What can be taken now."""
        return max(0, self.granted - self.used)

    @property
    def ended(self) -> bool:
        """Whether its period is over."""
        return self.ends_at is not None and self.ends_at <= self.now

    @property
    def per_day(self) -> int | None:
        """What is taken in a day at the rate of now; None for windows shorter than a day."""
        if self.closes == "charge":
            return self.burn
        return round(self.used * (DAY / self.span)) if self.span is not None and self.span >= DAY else None

    @property
    def runs_out_at(self) -> datetime | None:
        """When nothing will be free at the rate of the last 24 hours; None when its period ends before that."""
        if self.closes != "charge" or self.ended or not self.burn:
            return None
        if self.free > self.burn * 3_650:
            return None
        at = self.now + DAY * (self.free / self.burn)
        return at if self.ends_at is None or at < self.ends_at else None

    @property
    def is_budget(self) -> bool:
        """Whether it can run out; a window shorter than a day, or a number of calls at once, is a pace that is kept."""
        return self.closes == "charge" or (self.span is not None and self.span >= DAY)

    @property
    def alarm(self) -> int:
        """The highest of :data:`ALARM_AT` that a budget has reached, 0 for none."""
        if not self.is_budget or self.ended or not self.granted:
            return 0
        return max((at for at in ALARM_AT if self.used * 100 >= self.granted * at), default=0)

    def as_json(self) -> dict[str, Any]:
        """For programs; amounts in units of the resource, times in ISO 8601 with zone."""
        return {
            "subject": self.subject,
            "resource": self.resource,
            "period": self.period,
            "closes": self.closes,
            "span_s": self.span and self.span.total_seconds(),
            "ends_at": self.ends_at and self.ends_at.isoformat(),
            "limit": self.granted - self.extra,
            "grants": self.extra,
            "granted": self.granted,
            "held": self.held,
            "doubtful": self.doubtful,
            "doubtful_calls": self.doubtful_calls,
            "spent": self.spent,
            "overrun": self.overrun,
            "free": self.free,
            "floors": {class_name(int(number)): kept for number, kept in self.floors.items()},
            "blocked_until": self.blocked_until and self.blocked_until.isoformat(),
            "blocked_reason": self.blocked_reason,
            "frees": self.frees,
            "frees_at": self.frees_at and self.frees_at.isoformat(),
            "burn_per_day": self.per_day,
            "burn_since": self.burn_since and self.burn_since.isoformat(),
            "runs_out_at": self.runs_out_at and self.runs_out_at.isoformat(),
            "alarm": self.alarm,
            "forecast": forecast(self),
        }


def forecast(book: Book) -> str:
    """How long it lasts, in a sentence or two."""
    if book.ended:
        return "Its period has ended."
    if book.closes == "release":
        return f"Room for {words(book.resource, book.free)} now; more as calls end."
    if book.closes == "age":
        return _window(book)
    end = f"its period ends on {_date(book.ends_at, book.now)}" if book.ends_at else ""
    if not book.free:
        return f"Used up{f' until {end}' if end else ''}. A grant makes room at once."
    if not book.burn:
        return f"Nothing was taken in the last 24 hours{f'; {end}' if end else ''}."
    rate = f"At {words(book.resource, about(book.resource, book.burn))} a day"
    if book.burn_since is not None and book.now - book.burn_since < DAY / 2:
        rate += f" (all of it since {clock(book.burn_since, book.now)})"
    if book.runs_out_at is not None:
        before = f", {span_words(book.ends_at - book.runs_out_at)} before {end}" if book.ends_at else ""
        return f"{rate} it is used up {_roughly(book.runs_out_at, book.now)}{before}."
    return f"{rate} it lasts until {end}." if end else f"{rate} it lasts for more than ten years."


def _window(book: Book) -> str:
    more = f"{words(book.resource, book.frees)} more at {clock(book.frees_at, book.now)}" if book.frees_at else ""
    if book.free:
        return f"Room for {words(book.resource, book.free)} now{f'; {more}' if more else ''}."
    return f"Full; {more}." if more else "Full; it frees after the calls under way have ended."


def words(resource: str, units: int) -> str:
    """An amount as people say it, exact for money: ``$0.0312``, ``1.25 GB``, ``40 calls``."""
    if resource in ("usd_micro", "bytes"):
        return amount(resource, units)
    return f"{amount(resource, units)} {resource[:-1] if units == 1 and resource.endswith('s') else resource}"


def amount(resource: str, units: int) -> str:
    """The same where the resource stands beside it: ``$0.0312``, ``1.25 GB``, ``40``."""
    if resource == "usd_micro":
        return dollars(units)
    return size(units) if resource == "bytes" else f"{units:,}".replace("-", MINUS)


def about(resource: str, units: int) -> int:
    """The amount where its last digits mean nothing: dollars to the cent, and less than one to three digits."""
    if resource != "usd_micro":
        return units
    digits = 4 if units >= 1_000_000 else len(str(units)) - 3
    return round(units, -max(digits, 0))


def dollars(micro: int, digits: int = 2) -> str:
    """Millionths of a dollar to the last digit that says something: ``$3.10``, ``$0.000042``; at least ``digits``."""
    whole, part = divmod(abs(micro), 1_000_000)
    return f"{MINUS if micro < 0 else ''}${whole:,}.{f'{part:06}'.rstrip('0').ljust(digits, '0')}"


def column(micros: Sequence[int]) -> list[str]:
    """Dollars one below the other, all to the digit that the finest of them needs."""
    digits = max((len(dollars(micro).rpartition(".")[2]) for micro in micros), default=2)
    return [dollars(micro, digits) for micro in micros]


def size(count: int) -> str:
    """Bytes in the largest unit of which there is at least one: ``812 B``, ``1.25 GB``."""
    value, unit = float(abs(count)), "B"
    for larger in ("kB", "MB", "GB", "TB"):
        if value < 999.995:
            break
        value, unit = value / 1_000, larger
    text = f"{value:.2f}".rstrip("0").rstrip(".") if unit != "B" else str(abs(count))
    return f"{MINUS if count < 0 else ''}{text} {unit}"


def clock(at: datetime | None, now: datetime) -> str:
    """A time in UTC: of today without the date, of another day without the seconds."""
    if at is None:
        return "at an unknown time"
    return f"{at:%H:%M:%S} UTC" if at.date() == now.date() else f"{at.day} {at:%b %Y, %H:%M} UTC"


def _roughly(at: datetime, now: datetime) -> str:
    """A time that is a guess: within two days to the minute, later the day."""
    if at - now > 2 * DAY:
        return f"on {at.day} {at:%b}{'' if at.year == now.year else f' {at.year}'}"
    return f"at {at:%H:%M} UTC{'' if at.date() == now.date() else f' on {at.day} {at:%b}'}"


def _date(at: datetime, now: datetime) -> str:
    """A day, with its year if it is another one, and the time of day in UTC where it is not midnight."""
    year = "" if at.year == now.year else f" {at.year}"
    return f"{at.day} {at:%b}{year}{'' if (at.hour, at.minute) == (0, 0) else f', {at:%H:%M} UTC'}"


def span_words(span: timedelta) -> str:
    """How long that is, in its largest unit: ``3 days``, ``5 h``, ``12 min``."""
    seconds = max(0.0, span.total_seconds())
    if seconds >= 2 * 86_400:
        return f"{seconds / 86_400:.0f} days"
    return f"{seconds / 3_600:.0f} h" if seconds >= 7_200 else f"{seconds / 60:.0f} min"


async def list_books(
    db: Db, subject: str | None = None, resource: str | None = None, period: str | None = None, *, ended: bool = False
) -> list[Book]:
    """The accounts by name, with ``ended`` also those of periods that are over."""
    return [Book(**row) for row in await db.fetch(SQL.get("list_books"), subject, resource, period, ended)]


@dataclass(frozen=True, slots=True)
class Granted:
    """One grant of the past; a negative ``amount`` was taken back."""

    at: datetime
    actor: str
    amount: int
    reason: str

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        return {"at": self.at.isoformat(), "actor": self.actor, "amount": self.amount, "reason": self.reason}


def grant_command(book: Book) -> str:
    """The command that grants more of a budget."""
    subject, resource, *period = book.arguments.split(" ", 2)
    return f"openbell accounts grant {subject} {resource} AMOUNT {' '.join(period)} --reason …"


async def list_grants(db: Db, account_id: int) -> list[Granted]:
    """Every grant to an account, the oldest first."""
    return [Granted(**row) for row in await db.fetch(SQL.get("list_grants"), account_id)]


async def grant(
    db: Db, subject: str, resource: str, amount: int, *, period: str | None = None, reason: str, actor: str
) -> tuple[Book, int]:
    """Let more of an account be spent in the period that runs, or with a negative amount take a part of that back.

    Answers the account as it then is, and how many jobs were woken because they waited for it. Audited. Raises
    :class:`UnknownAccount` and :class:`GrantRefused`.
    """
    _check(amount, reason, resource)
    book = await _only(db, subject, resource, period)
    if amount > 0 and book.closes != "charge":
        raise GrantRefused(
            f"{book.name} is a pace that is kept, not a budget: a grant to it would never end, and lift it above what "
            "the provider allows. It frees by itself; to change it, change the plan or the setting it comes from."
        )
    row = await db.fetchrow(SQL.get("grant_account"), book.id, amount, reason, actor, MOST - 1, book.name)
    assert row is not None
    if row["word"] == "too_much" and amount < 0:
        free, extra = words(resource, row["free"]), words(resource, row["extra"])
        raise GrantRefused(
            f"{words(resource, -amount)} cannot be taken back from {book.name}: {extra} of it were granted beyond the "
            f"limit, and {free} are free. To lower the limit itself, change the setting that it comes from."
        )
    if row["word"] == "too_much":
        raise GrantRefused(f"{book.name} would grant more than {MOST - 1:,}, which nobody could count exactly.")
    if row["word"] != "granted":
        raise GrantRefused(f"The period of {book.name} has ended meanwhile; grant it to the next one.")
    if amount > 0:
        await db.execute(SQL.get("send_hint"), CHANNEL, '["work",null]')
    return (await list_books(db, subject, resource, book.period, ended=True))[0], row["woken"]


async def resume(db: Db, subject: str, *, reason: str, actor: str) -> int:
    """End the pauses of a provider before their time, as when their cause is gone; how many accounts were paused.

    Audited. Raises :class:`UnknownAccount`, :class:`GrantRefused` without a reason.
    """
    if not reason.strip() or "\x00" in reason:
        raise GrantRefused("Ending a pause needs a reason, for whoever reads the audit log.")
    if not await list_books(db, subject):
        raise UnknownAccount(f"There is no account of {subject}: `openbell accounts list` shows those there are.")
    count = await db.fetchval(SQL.get("resume_accounts"), subject, actor, reason)
    if count:
        await db.execute(SQL.get("send_hint"), CHANNEL, '["work",null]')
    return int(count)


def _check(amount: int, reason: str, resource: str) -> None:
    """Raises :class:`GrantRefused`."""
    if type(amount) is not int or not 0 < abs(amount) < MOST:
        raise GrantRefused(
            f"{amount!r} is no amount of {resource}: it takes a whole number other than 0, below 2^53, in units of the "
            "resource (usd_micro are millionths of a dollar)."
        )
    if not reason.strip() or "\x00" in reason:
        raise GrantRefused("A grant needs a reason, for whoever reads its history.")


async def _only(db: Db, subject: str, resource: str, period: str | None) -> Book:
    """The one account that is meant. Raises :class:`UnknownAccount`, :class:`GrantRefused`."""
    found = await list_books(db, subject, resource, period, ended=True)
    running = [book for book in found if not book.ended]
    if len(running) == 1:
        return running[0]
    what = " ".join(part for part in (subject, resource, period) if part)
    if running:
        periods = ", ".join(repr(book.period) for book in running)
        raise GrantRefused(f"There are several accounts {what}: name one of the periods {periods} with --period.")
    if found:
        raise GrantRefused(
            f"The period of {found[-1].name} has ended. The account of the next one is made by the first call in it."
        )
    known = ", ".join(book.arguments for book in await list_books(db)) or "none yet; a worker makes them when it starts"
    raise UnknownAccount(f"There is no account {what}. The accounts are: {known}.")


@dataclass(frozen=True, slots=True)
class Breaker:
    """A provider, or with ``operation`` one of its operations, that is left alone. After ``open_until`` one call, the
    probe, finds out whether it is there again.
    """

    provider: str
    operation: str
    opened_at: datetime
    open_until: datetime
    openings: int
    code: str
    reason: str
    is_open: bool
    now: datetime

    @property
    def name(self) -> str:
        """For people: who is left alone."""
        return f"{subject_name(self.provider)} {self.operation}".strip()

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        return {
            "provider": self.provider,
            "operation": self.operation or None,
            "state": "open" if self.is_open else "half-open",
            "opened_at": self.opened_at.isoformat(),
            "open_until": self.open_until.isoformat(),
            "openings": self.openings,
            "code": self.code,
            "reason": self.reason,
        }


async def list_breakers(db: Db) -> Sequence[Breaker]:
    """The breakers that are not closed, by provider."""
    return [Breaker(**row) for row in await db.fetch(SQL.get("list_breakers"))]
