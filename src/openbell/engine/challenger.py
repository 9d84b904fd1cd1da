"""Challengers: another producer of a product, tried in the shadow of the one that readers see.

    @challenger("quote-next", of=quote, version=2, timeout=seconds(20), spends={"fmp": Calls(1, bytes=2_000)},
                budget={"calls": 500})
    async def quote_next(symbol: Symbol, ctx: Context) -> Quote: ...

A challenger is a task: it leaves no artifact, so nothing that reads artifacts can show what it has made. The flag of
its name says how far it has come: ``off``; ``shadow``, what is made of a share of the keys is made by it too, kept
apart and compared; a share or ``on``, it makes what readers see, in the place of the product's own producer; and back.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal
from typing import Any, get_type_hints

from openbell.engine.columns import columns_of, rows_of
from openbell.engine.compare import Compare
from openbell.engine.errors import InvalidDeclaration
from openbell.engine.ledger import Limit, checked
from openbell.engine.naming import TRIALS
from openbell.engine.registry import Calls, Producer, Product, minutes, task

PATIENCE = minutes(10)
"""How long a trial may wait: less than what would lift it into a more urgent class (DC-4)."""
ATTEMPTS = 2


@dataclass(frozen=True, slots=True)
class Rule:
    """What must have been seen before a flag may be widened: so many comparisons within ``over``, and of them at most
    these shares (of 1) different and failed.
    """

    at_least: int = 200
    most_different: float = 0.005
    most_failed: float = 0.01
    over: timedelta = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Challenge:
    """What makes a product the challenger of another: the product, what counts as equal, a day's budget, the rule."""

    of: Product
    by: Compare
    budget: Mapping[str, int]
    rule: Rule
    about: str

    def seed(self) -> tuple[Any, ...]:
        """The columns of its row, of its flag and of the rule."""
        shares = (Decimal(str(self.rule.most_different)), Decimal(str(self.rule.most_failed)))
        return (self.of.name, dict(self.budget), self.about, self.rule.at_least, *shares, self.rule.over)


EXACT, USUAL = Compare(), Rule()


def challenger(
    name: str,
    *,
    of: Product,
    version: int,
    timeout: timedelta,
    spends: Mapping[str, Calls],
    budget: Mapping[str, int],
    by: Compare = EXACT,
    rule: Rule = USUAL,
) -> Callable[[Producer], Product]:
    """Declare the decorated coroutine function as another producer of ``of``, which returns the same model.

    ``version``  of the producer; another one than that of ``of``
    ``budget``   what its trials may take in a day (UTC), by resource: ``calls`` at least, and ``usd_micro`` or
                 ``credits`` where it pays; what is not named may not be spent
    ``by``       what counts as equal; rows of a series are matched by their natural key, the source time is left out
    ``rule``     what must have been seen before its flag may be widened

    Raises :class:`InvalidDeclaration`.
    """

    def declare(producer: Producer) -> Product:
        if of.model is None or get_type_hints(producer).get("return") is not of.model:
            raise InvalidDeclaration(f"{name!r} must be annotated to return what {of.name!r} does, to take its place.")
        if name.startswith("demand-") or version == of.version:
            raise InvalidDeclaration(f"{name!r} needs a version of its own, and no name that begins with 'demand-'.")
        try:
            checked(budget)
        except ValueError as error:
            raise InvalidDeclaration(f"{name!r}: {error}") from None
        if not budget.get("calls"):
            raise InvalidDeclaration(f"{name!r} needs a budget of calls a day, above 0.")
        if timeout >= PATIENCE:
            raise InvalidDeclaration(f"{name!r} must be done within {PATIENCE.total_seconds():g} s.")
        made = task(
            name, key=of.key, version=version, timeout=timeout, retry=of.retry_for, max_attempts=ATTEMPTS,
            patience=PATIENCE, spends=spends,
        )(producer)  # fmt: skip
        about = f"{name} makes {of.name} in the place of its producer, version {of.version}"
        return replace(
            made, max_bytes=of.max_bytes, challenge=Challenge(of, _completed(of, by), dict(budget), rule, about)
        )

    return declare


def budget_of(name: str, budget: Mapping[str, int]) -> list[Limit]:
    """The accounts of a challenger's trials."""
    return [
        Limit(f"{TRIALS}{name}", resource, "day", amount, closes="charge", calendar="day")
        for resource, amount in budget.items()
    ]


def _completed(of: Product, by: Compare) -> Compare:
    """``by``, with what the product says of itself: its source time, which is told as an age and is no field to
    compare, and the natural key of its series.
    """
    if of.source_time is not None:
        by = replace(by, ignore=(*by.ignore, of.source_time))
    if of.series is None or of.model is None or of.series.field in by.rows:
        return by
    columns = {column.name: column for column in columns_of(rows_of(of.model, of.series.field))}
    key = tuple(columns[name].path[0] for name in of.series.key)
    return replace(by, rows={**by.rows, of.series.field: key})
