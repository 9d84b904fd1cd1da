"""What the API answers, as typed and frozen values. What a newer server adds is ignored."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from openbell.client import frames
from openbell.client.errors import NoFrame

MICRO = 1_000_000
SETTLED = ("fresh", "fallback")


class _Answer(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class Column(_Answer):
    """One column of a product's rows. ``kind``: text, number, boolean, date or time."""

    name: str
    kind: str
    description: str | None = None


class Table(_Answer):
    """Where a product keeps its rows: the field of its value, and the columns of each row in order."""

    field: str
    columns: tuple[Column, ...]


class Product(_Answer):
    """A data type and its policy as it is in force; spans in seconds.

    ``key`` says what its keys look like; ``table`` is None where it has no rows.
    """

    name: str
    key: str | None = None
    kind: str
    provider: str
    ttl_s: float | None
    stale_ttl_s: float | None
    licence: str
    enabled: bool
    table: Table | None = None


class Job(_Answer):
    """The live work on a key: waiting, parked until ``run_at``, or running."""

    id: int
    state: str
    queued_at: datetime
    run_at: datetime | None
    attempt: int
    reason: str | None
    progress: str | None


class Setback(_Answer):
    """The last failure of a key; it is left alone until ``retry_at``."""

    code: str
    message: str
    at: datetime
    retry_at: datetime


class Artifact(_Answer):
    """What is known of one key at the time ``now``: the value, its state and times, its source and its price.

    ``state``        missing, fresh, stale, expired, empty (the source has nothing) or fallback
    ``value``        None unless there is one; ``version`` is 0 then
    ``age_s``        seconds since the source was last asked
    ``reason``       why it is as fresh as it is, in one sentence
    ``source``       provider, operation and host, and ``synthetic`` where the data is not real
    ``cost_micro``   what this version has cost, in millionths of a dollar
    """

    product: str
    key: str
    state: str
    version: int
    value: Any
    age_s: float | None
    checked_at: datetime | None
    changed_at: datetime | None
    source_time: datetime | None
    fresh_until: datetime | None
    stale_until: datetime | None
    reason: str
    source: dict[str, Any]
    licence: str | None
    cost_micro: int
    job: Job | None
    setback: Setback | None
    now: datetime
    table: Table | None = None

    @property
    def settled(self) -> bool:
        """There is nothing to wait for: it is fresh, known to be empty, or it failed and is left alone for now."""
        return self.state in SETTLED or (self.job is None and (self.state == "empty" or self.setback is not None))

    @property
    def synthetic(self) -> str | None:
        """What the data is, when it is not real."""
        label = self.source.get("synthetic")
        return None if label is None else str(label)

    @property
    def cost(self) -> float:
        """What this version has cost, in dollars."""
        return self.cost_micro / MICRO

    @property
    def rows(self) -> list[dict[str, Any]]:
        """The rows of the value, each a flat mapping by column. Raises :class:`NoFrame` where it has none."""
        if self.value is None:
            raise NoFrame(f"There is no value of {self.product} {self.key}, which is {self.state}: {self.reason}")
        if self.table is None:
            raise NoFrame(f"{self.product} {self.key} has no rows; what it has is in `value`.")
        names = [one.name for one in self.table.columns]
        return [frames.flat(row, names) for row in self.value.get(self.table.field) or []]

    def frame(self, library: Literal["pandas", "polars"] | None = None) -> Any:
        """The rows as a DataFrame of pandas, or of polars where that alone is installed or asked for.

        Days and times become those of the library: in UTC, or without a zone as they came. Raises :class:`NoFrame`
        without rows or library.
        """
        rows = self.rows
        return frames.frame(rows, {one.name: one.kind for one in self.table.columns} if self.table else {}, library)


class Wanted(_Answer):
    """Where a wanted key stands; ``job`` is the live work on it."""

    product: str
    key: str
    state: str
    version: int
    reason: str
    job: int | None


class Gate(_Answer):
    """One thing that must hold before work on a key begins, judged by ``numbers`` (spans in seconds)."""

    name: str
    open: bool
    detail: str
    opens_at: datetime | None
    numbers: dict[str, Any]


class Explanation(_Answer):
    """Why a key is not running or not fresh: a sentence, and gate by gate. ``expected_start`` rests on ``basis``."""

    product: str
    key: str
    state: str
    job: int | None
    verdict: str
    expected_start: datetime | None
    basis: str
    gates: Sequence[Gate]
    now: datetime


class Cost(_Answer):
    """What the calls of one part have cost, failed ones included; money in millionths of a dollar.

    Of the parts only those asked for are set. ``unknown`` are calls whose outcome nobody knows, and ``open`` those
    under way; what is held for them is in no other sum.
    """

    product: str | None = None
    provider: str | None = None
    operation: str | None = None
    on_behalf: str | None = None
    period: str | None = None
    calls: int
    failed: int
    cost_micro: int
    failed_micro: int
    unknown: int
    unknown_micro: int
    open: int
    open_micro: int


class Costs(_Answer):
    """Costs since a day of UTC, by one part, and their total."""

    by: str
    since: date
    rows: Sequence[Cost]
    total: Cost
