"""What the models of market data have in common: names, blanks, units, links, order.

A provider's row becomes a :class:`Record`: its names are ours in camel case, "" is nothing, and infinite numbers are
refused. A field without a default must be in the row, although it may be null: a figure that a provider has renamed is
a refused answer, and not a blank that nobody notices.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import Annotated, Any, Self, TypeVar

from pydantic import (
    AfterValidator,
    AliasGenerator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)
from pydantic.alias_generators import to_camel

from openbell.engine.errors import NothingKnown
from openbell.products.context import Context
from openbell.providers.fmp import Rows, local_time

R = TypeVar("R", bound=BaseModel)


class Record(BaseModel):
    """A row of a provider under our names."""

    model_config = ConfigDict(
        alias_generator=AliasGenerator(validation_alias=to_camel), populate_by_name=True, allow_inf_nan=False
    )

    @model_validator(mode="before")
    @classmethod
    def _blanks(cls, row: Any) -> Any:
        """The provider writes "" where it means nothing. Text with a NUL is none: no database holds it."""
        if not isinstance(row, dict):
            return row
        texts = {name: value for name, value in row.items() if isinstance(value, str)}
        if any("\x00" in value for value in texts.values()):
            raise ValueError("a text has a NUL")
        return row | {name: value if value.strip() else None for name, value in texts.items()}


class Figures(Record):
    """A row that is refused when it says nothing: a known result is not to be replaced by blanks."""

    @model_validator(mode="after")
    def _not_blank(self) -> Self:
        if not says_something(self, besides=("symbol", "date")):
            raise ValueError("the row has no figure")
        return self


def _link(value: Any) -> Any:
    return value if isinstance(value, str) and value.lower().startswith(("https://", "http://")) else None


def _no_zero(value: Any) -> Any:
    return None if value in (0, "0") else value


def _in_new_york(value: Any) -> Any:
    """A time without a zone is New York's, and a day its beginning; one with a zone stays."""
    if isinstance(value, str) and len(value) == len("2012-06-01"):
        value = f"{value} 00:00:00"
    return local_time(value) if isinstance(value, str) and len(value) == len("2012-06-01 09:30:00") else value


def _aware(time: datetime | None) -> datetime | None:
    if time is not None and time.tzinfo is None:
        raise ValueError("the time has no zone")
    return time


def _local(time: datetime) -> datetime:
    if time.tzinfo is not None:
        raise ValueError("the time has a zone, and is to be in that of the exchange")
    return time


# What changes a value stands last, so that what is to hold for it applies to the changed one.
Day = date
Text = str | None
Money = Annotated[float | None, Field(description="whole units of the row's currency")]
Price = Annotated[float | None, Field(ge=0, description="currency of the listing per share")]
Target = Annotated[
    float | None, Field(ge=0, description="currency of the listing per share"), BeforeValidator(_no_zero)
]
PerShare = Annotated[float | None, Field(description="currency units per share")]
Dividend = Annotated[float | None, Field(ge=0, description="currency of the listing per share")]
Shares = Annotated[float | None, Field(ge=0, description="shares")]
Count = Annotated[int | None, Field(ge=0, description="a number of things")]
Percent = Annotated[float | None, Field(ge=-1_000, le=100_000, description="per cent: 4.5 is 4.5 %")]
Ratio = Annotated[float | None, Field(description="a plain ratio: 0.045 is 4.5 %")]
Quotient = Annotated[
    float | None,
    BeforeValidator(_no_zero),
    Field(description="a plain ratio; the provider's 0 means that there was nothing to divide by, and is nothing here"),
]
Link = Annotated[str | None, Field(max_length=2_000, description="an address of the web"), BeforeValidator(_link)]
Instant = Annotated[datetime, AfterValidator(_aware)]
LocalTime = Annotated[datetime, AfterValidator(_local)]
InNewYork = Annotated[datetime, BeforeValidator(_in_new_york), AfterValidator(_aware)]
NewYorkTime = Annotated[
    datetime | None, BeforeValidator(_in_new_york), AfterValidator(_aware), Field(description="in UTC")
]


def in_order(rows: Iterable[R], *key: str) -> list[R]:
    """The rows by the fields that are their natural key, each key once: of several rows with one key the first stays.

    A field that is None comes before all values.
    """
    found: dict[tuple[Any, ...], R] = {}
    for row in rows:
        values = (getattr(row, name) for name in key)
        found.setdefault(tuple((value is not None, value) for value in values), row)
    return [found[one] for one in sorted(found)]


def records(model: type[R], rows: Iterable[Mapping[str, Any]], *key: str) -> list[R]:
    """The rows as records, in the order of their natural key.

    A row that says nothing but its key is left out, not filled. Raises ``ValidationError`` for one that is no record.
    """
    made = (_record(model, number, row) for number, row in enumerate(rows))
    return in_order((row for row in made if says_something(row, besides=key)), *key)


def _record(model: type[R], number: int, row: Mapping[str, Any]) -> R:
    try:
        return model.model_validate(row)
    except ValidationError as error:
        error.add_note(f"row {number} of the answer: {row}")
        raise


def says_something(record: BaseModel, *, besides: Sequence[str] = ()) -> bool:
    """Whether the record has a value in any field but those ``besides``."""
    values = (value for name, value in record if name not in besides)
    return any(
        any(v is not None for v in value.values()) if isinstance(value, dict) else value is not None for value in values
    )


async def step(ctx: Context, name: str, ask: Callable[[], Awaitable[Rows]]) -> Rows:
    """The rows of one call among several, empty where the source has nothing. It is paid for once.

    When a later call of the same attempt fails or must wait, the next attempt finds these rows, and their marks.
    """

    async def asked() -> dict[str, Any]:
        try:
            rows = await ask()
        except NothingKnown:
            rows = Rows()
        return {"rows": rows, "full": rows.full, "cut": rows.cut}

    kept = await ctx.attempt.step(name, asked)
    return Rows(kept["rows"], full=kept["full"], cut=kept["cut"])
