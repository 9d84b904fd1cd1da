"""From the books to what the page of budgets draws. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from openbell.engine.alarms import Alarm, Look
from openbell.engine.books import Book, about, amount, clock, column, forecast, words
from openbell.engine.costs import Receipt, Report
from openbell.engine.naming import account_title, period_words, subject_name
from openbell.engine.registry import class_name


@dataclass(frozen=True, slots=True)
class Segment:
    """A part of a bar, in per cent of its width; ``kind`` decides its look, and ``label`` says it in words."""

    kind: str
    left: float
    width: float
    label: str


@dataclass(frozen=True, slots=True)
class Bar:
    """One budget: its bar, the same in words, and how long it lasts."""

    whose: str
    title: str
    limit: str
    used: str
    alarm: int
    segments: Sequence[Segment]
    parts: str
    forecast: str
    paused: str
    kept: str


@dataclass(frozen=True, slots=True)
class BudgetPage:
    """Everything that the page shows: budgets, the fullest first, and the paces that are kept, as rows of a table.

    The last of the weeks is their sum.
    """

    alarms: Sequence[Alarm]
    bars: Sequence[Bar]
    paces: Sequence[tuple[str, ...]]
    breakers: Sequence[tuple[str, ...]]
    doubtful: Sequence[tuple[str, ...]]
    doubtful_more: int
    weeks: Sequence[tuple[str, ...]]
    as_of: str


def budget_page(found: Look, doubtful: Sequence[Receipt], weeks: Report) -> BudgetPage:
    """The whole page."""
    budgets = sorted((book for book in found.books if book.is_budget), key=_fullness, reverse=True)
    return BudgetPage(
        alarms=[alarm for alarm in found.alarms if alarm.level == "warn"],
        bars=[bar(book) for book in budgets],
        paces=[_pace(book) for book in found.books if not book.is_budget],
        breakers=[
            (
                one.name,
                f"open until {clock(one.open_until, one.now)}" if one.is_open else "the next call finds out",
                f"{clock(one.opened_at, one.now)}",
                one.reason,
            )
            for one in found.breakers
        ],
        doubtful=[_doubtful(one, weeks.until) for one in doubtful],
        doubtful_more=max(0, found.doubt.calls + found.doubt.repeats - len(doubtful)),
        weeks=_costs(weeks) if weeks.rows else [],
        as_of=f"{weeks.until:%H:%M:%S} UTC",
    )


def _fullness(book: Book) -> float:
    return book.used / book.granted if book.granted else 1.0


def bar(book: Book) -> Bar:
    """One account as a bar. What is in doubt is a part of what is held and drawn apart from it."""
    parts = _parts(book)
    whole = max(book.granted, sum(units for _, units, _ in parts), 1)
    segments, left = [], 0.0
    for kind, units, name in parts:
        if units:
            width = 100 * units / whole
            segments.append(Segment(kind, round(left, 3), round(width, 3), f"{_short(book, units)} {name}"))
            left += width
    extra = f"{_short(book, book.extra)} granted beyond the limit" if book.extra else ""
    kept = ", ".join(f"{_short(book, n)} for {class_name(int(number))}" for number, n in book.floors.items())
    return Bar(
        whose=subject_name(book.subject),
        title=account_title(book.resource, book.period, book.closes),
        limit=f"{_short(book, book.free)} free of {_short(book, book.granted)}",
        used=f"{100 * book.used // book.granted}\u202f%" if book.granted else "\u2013",
        alarm=book.alarm,
        segments=segments,
        parts="; ".join(part for part in (", ".join(one.label for one in segments) or "nothing used", extra) if part),
        forecast=forecast(book),
        paused=_paused(book),
        kept=f"Kept for more urgent work: {kept}." if kept else "",
    )


def _pace(book: Book) -> tuple[str, ...]:
    """A pace in words: whose, how much, used, free, and what comes next."""
    most = (
        f"{words(book.resource, book.granted)} {book.period if book.closes == 'release' else f'in any {book.period}'}"
    )
    more = f"{_short(book, book.frees)} more at {clock(book.frees_at, book.now)}" if book.frees_at else ""
    whose = subject_name(book.subject)
    return (whose, most, _short(book, book.used), _short(book, book.free), _paused(book) or more)


def _paused(book: Book) -> str:
    if book.blocked_until is None:
        return ""
    reason = (book.blocked_reason or "no reason given").rstrip(".")
    return f"Paused until {clock(book.blocked_until, book.now)}: {reason}."


def _parts(book: Book) -> list[tuple[str, int, str]]:
    """Kind, amount and word of each part of what is used."""
    if book.closes == "age":
        return [("spent", book.held, "used"), ("over", book.overrun, "beyond what was held")]
    return [
        ("spent", book.spent, "spent"),
        ("over", book.overrun, "spent beyond what was held"),
        ("held", book.held - book.doubtful, "held for calls under way"),
        ("doubt", book.doubtful, "held for calls in doubt"),
    ]


def _short(book: Book, units: int) -> str:
    """An amount of its resource to three digits or to the cent, without the resource."""
    return amount(book.resource, about(book.resource, units))


def _week(period: str) -> str:
    return period_words(period).removeprefix("week of ")


def _doubtful(one: Receipt, now: datetime) -> tuple[str, ...]:
    held = ", ".join(
        words(resource, units) for resource, units in one.held.items() if (resource, units) != ("calls", 1)
    )
    made_for = f"{one.product} {one.key}"
    return (
        str(one.id), clock(one.intended_at, now), f"{subject_name(one.provider)} {one.operation}", made_for,
        held or "nothing", one.outcome or "",
    )  # fmt: skip


def _costs(report: Report) -> list[tuple[str, ...]]:
    """The weeks, and last their sum."""
    rows = [*report.rows, report.total]
    money = [
        column([getattr(row, f"{name}_micro") for row in rows])
        for name in ("cost", "failed", "held", "estimate", "unknown")
    ]
    names = [*(_week(row.period or "") for row in report.rows), "All of these"]
    return [
        (name, f"{row.calls:,}", f"{row.failed:,}", *amounts)
        for name, row, amounts in zip(names, rows, zip(*money, strict=True), strict=True)
    ]
