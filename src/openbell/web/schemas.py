"""What the API takes and gives, for checking requests and for a true OpenAPI document."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

ITEMS_MAX = 200
SECONDS_MAX = 3_600.0

State = Literal["missing", "fresh", "stale", "expired", "empty", "fallback"]


class ErrorBody(BaseModel):
    """`code` is stable and for programs, `message` a sentence, `next` what to do."""

    code: str
    message: str
    next: str | None = None


class Problem(BaseModel):
    """Every error has this form."""

    error: ErrorBody


class Job(BaseModel):
    """The live work on a key: waiting, parked until `run_at`, or running."""

    id: int
    state: Literal["waiting", "parked", "running"]
    queued_at: datetime
    run_at: datetime | None
    attempt: int
    reason: str | None
    progress: str | None


class Setback(BaseModel):
    """The last failure of a key; it is left alone until `retry_at`."""

    code: str
    message: str
    at: datetime
    retry_at: datetime


class Artifact(BaseModel):
    """What is known of one key: the value, the three times, the source and the price."""

    product: str
    key: str
    state: State
    version: int = Field(description="0 while there is no value")
    value: Any
    age_s: float | None
    checked_at: datetime | None
    changed_at: datetime | None
    source_time: datetime | None
    fresh_until: datetime | None
    stale_until: datetime | None
    reason: str = Field(description="why it is as fresh as it is, in one sentence")
    source: dict[str, Any]
    licence: str | None
    cost_micro: int = Field(description="millionths of a dollar")
    job: Job | None
    setback: Setback | None
    now: datetime = Field(description="the database's time of this reading")


class Gate(BaseModel):
    """One thing that must hold before work on a key begins."""

    name: str = Field(
        description="product, demand, freshness, cooldown, needs, job, provider, account, seats or workers"
    )
    open: bool
    detail: str
    opens_at: datetime | None = Field(description="when a closed gate opens by itself; null where nobody can know")
    numbers: dict[str, Any] = Field(description="what it is judged by; spans in seconds")


class Explained(BaseModel):
    """Why a key is not running or not fresh, in a sentence and gate by gate."""

    product: str
    key: str
    state: State | Literal["task"]
    job: int | None
    verdict: str
    expected_start: datetime | None = Field(description="an estimate, or when the running attempt has begun")
    basis: str = Field(description="what the estimate rests on")
    gates: list[Gate]
    now: datetime


class ProductList(BaseModel):
    """The registry as it is in force."""

    products: list[dict[str, Any]]


class Item(BaseModel):
    """One key of one product."""

    model_config = ConfigDict(extra="forbid")

    product: str = Field(min_length=1, max_length=63)
    key: str = Field(min_length=1, max_length=200)


class Demand(BaseModel):
    """Interest in keys for a time."""

    model_config = ConfigDict(extra="forbid")

    items: list[Item] = Field(min_length=1, max_length=ITEMS_MAX)
    seconds: float = Field(default=30.0, gt=0, le=SECONDS_MAX, allow_inf_nan=False)


class Wanted(BaseModel):
    """Where a wanted key stands; `job` is the live work on it."""

    product: str
    key: str
    state: State
    version: int
    reason: str
    job: int | None


class DemandTaken(BaseModel):
    """One entry for each item, in the order asked."""

    items: list[Wanted]
    seconds: float


class Cancelled(BaseModel):
    """What became of a job that was to be cancelled."""

    id: int
    state: Literal["cancelled", "cancelling"]


class Retried(BaseModel):
    """The live job that does the work of `id` again."""

    id: int
    live: int


class Ready(BaseModel):
    """Whether this process can serve."""

    status: Literal["ready", "live"]
