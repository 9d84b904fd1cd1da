"""What about money and quota an operator should know now, each with the mend (PF-34). Pure, but for :func:`look`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal

from openbell.engine.books import Book, Breaker, clock, forecast, grant_command, list_books, list_breakers, words
from openbell.engine.costs import Doubt, count_doubtful
from openbell.engine.database import Db
from openbell.engine.estimates import Estimate, list_estimates
from openbell.engine.ledger import MONEY
from openbell.engine.naming import TRIALS

RECENT = timedelta(days=1)
LONG = timedelta(minutes=2)
"""A pause that is longer than this is worth a warning; a shorter one is how limits are kept."""


USED_UP = (TRIALS, "person ")
"""Whose budgets are there to be used up: those of a trial, and the credits of somebody."""


@dataclass(frozen=True, slots=True)
class Alarm:
    """``code`` is stable and for programs; ``about`` names what is meant; ``figure`` is the number behind it."""

    code: Literal["budget", "overrun", "paused", "breaker", "unknown_spends", "estimate"]
    level: Literal["info", "warn"]
    about: str
    message: str
    mend: str
    figure: float

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(frozen=True, slots=True)
class Look:
    """The books as they stand, and what is alarming about them."""

    books: Sequence[Book]
    breakers: Sequence[Breaker]
    doubt: Doubt
    estimates: Sequence[Estimate]

    @property
    def alarms(self) -> list[Alarm]:
        """Every alarm, budgets first."""
        return [
            *(alarm for book in self.books for alarm in _of_book(book)),
            *(_of_breaker(breaker) for breaker in self.breakers),
            *_of_doubt(self.doubt),
            *(_of_estimate(estimate) for estimate in self.estimates),
        ]


async def look(db: Db) -> Look:
    """Look at all books once."""
    return Look(
        books=await list_books(db),
        breakers=await list_breakers(db),
        doubt=await count_doubtful(db),
        estimates=await list_estimates(db, exceeded_within=RECENT),
    )


def _of_book(book: Book) -> Iterator[Alarm]:
    share = 100 * book.used / book.granted if book.granted else 0.0
    if book.alarm and not book.subject.startswith(USED_UP):
        of = f"{words(book.resource, book.used)} of {words(book.resource, book.granted)}"
        yield Alarm(
            "budget",
            "warn",
            book.name,
            f"{int(share)} % used: {of}. {forecast(book)}",
            _more_of(book),
            round(share, 1),
        )
    if book.overrun and book.resource in MONEY:
        yield Alarm(
            "overrun",
            "warn",
            book.name,
            f"Calls took {words(book.resource, book.overrun)} more than was held for them; it counts as spent.",
            "Less is held for a call than it may take: `openbell costs --by operation` shows which.",
            float(book.overrun),
        )
    if book.blocked_until is not None:
        until = clock(book.blocked_until, book.now)
        yield Alarm(
            "paused",
            "warn" if book.blocked_until - book.now > LONG else "info",
            book.name,
            f"Paused until {until}: {(book.blocked_reason or 'no reason given').rstrip('.')}.",
            "Work that needs it waits and goes on by itself"
            + ("; a grant ends the pause." if book.closes == "charge" else ".")
            + f" When the cause is gone: openbell accounts resume {book.subject} --reason …",
            (book.blocked_until - book.now).total_seconds(),
        )


def _more_of(book: Book) -> str:
    """What helps when it is nearly used up: the command that grants more of it, where that can be granted."""
    if book.closes != "charge":
        return "It frees as calls age out of it. Let less be asked for, or choose a larger plan."
    return f"Grant more, `{grant_command(book)}`, or let less be asked for."


def _of_breaker(breaker: Breaker) -> Alarm:
    since, until = clock(breaker.opened_at, breaker.now), clock(breaker.open_until, breaker.now)
    again = f", for the {_nth(breaker.openings)} time in a row" if breaker.openings > 1 else ""
    state = f"open until {until}{again}" if breaker.is_open else "half-open: the next call finds out"
    mend = "It closes by itself when a call succeeds. If it does not, look at the provider's status page and your key."
    if breaker.operation:
        mend = "Only this operation waits. If the plan does not include it, choose another plan or stop asking for it."
    return Alarm(
        "breaker",
        "warn",
        breaker.name,
        f"Left alone since {since}, {state}: {breaker.reason.rstrip('.')}.",
        mend,
        float(breaker.openings),
    )


def _nth(number: int) -> str:
    ending = {1: "st", 2: "nd", 3: "rd"}.get(number % 10 if number % 100 not in (11, 12, 13) else 0, "th")
    return f"{number}{ending}"


def _of_doubt(doubt: Doubt) -> Iterator[Alarm]:
    if not doubt.calls:
        return
    held = " and ".join(words(resource, amount) for resource, amount in sorted(doubt.held.items()))
    message = f"{doubt.calls:,} {'call' if doubt.calls == 1 else 'calls'} whose outcome nobody knows"
    message += f", {held} held for {'it' if doubt.calls == 1 else 'them'}" if held else ""
    message += f"; the provider will be asked about {doubt.asked:,} of them" if doubt.asked else ""
    yield Alarm(
        "unknown_spends",
        "warn",
        "doubtful calls",
        f"{message}.",
        "See `openbell spends list --unknown`, look at the provider's own record, then say what became of each: "
        "`openbell spends resolve ID`.",
        float(doubt.calls),
    )


def _of_estimate(estimate: Estimate) -> Alarm:
    took, expected = (
        words(estimate.resource, amount or 0) for amount in (estimate.alert_took, estimate.alert_expected)
    )
    times = f"; {estimate.alerts:,} such calls so far" if estimate.alerts > 1 else ""
    return Alarm(
        "estimate",
        "warn",
        estimate.name,
        f"Spend {estimate.alert_spend} took {took}, more than twice the {expected} expected{times}.",
        f"Look at it with `openbell spends show {estimate.alert_spend}`: has the price or the size of answers changed?",
        float(estimate.alert_took or 0),
    )
