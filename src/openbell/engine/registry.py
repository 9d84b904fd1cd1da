"""What can be made: products, declared in code, governed by rows.

A declaration says everything that the engine needs in order to make a result once, on time and within budget. There are
no defaults for the policy: a product that leaves something out is refused when the process starts (PF-1). The first
start seeds a row per product; afterwards the row is the policy, and what an operator changed in it stays.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal, get_type_hints

from pydantic import BaseModel

from openbell.engine.columns import columns_of, rows_of
from openbell.engine.database import SQL, Db
from openbell.engine.errors import InvalidDeclaration, InvalidKey, KeepsNoResult, UnknownProduct
from openbell.engine.freshness import Policy
from openbell.engine.keys import Key
from openbell.engine.revisions import checked_reason, overtaken
from openbell.engine.shapes import shape

if TYPE_CHECKING:
    from openbell.engine.challenger import Challenge
    from openbell.engine.schedules import Schedule

CLASSES: Mapping[str, int] = {"interactive": 0, "scheduled": 10, "research": 30, "ad-hoc": 50, "background": 90}
"""The job classes in the order in which they are served; the number is what the database stores."""


def class_name(number: int) -> str:
    """The word for a class; the number itself where no word stands for it."""
    return next((name for name, value in CLASSES.items() if value == number), str(number))


Effect = Literal["repeat", "resend", "lookup", "never"]
"""What recovery does with an outside call whose outcome is unknown (DC-1)."""

Producer = Callable[..., Awaitable[BaseModel | None]]

PATIENCE = timedelta(days=1)
MOST_BYTES = 64 * 1024 * 1024
MOST_BUNDLE = 5_000
LONGEST_SERIES = 50


def seconds(n: float) -> timedelta:
    """``n`` seconds."""
    return timedelta(seconds=n)


def minutes(n: float) -> timedelta:
    """``n`` minutes."""
    return timedelta(minutes=n)


def hours(n: float) -> timedelta:
    """``n`` hours."""
    return timedelta(hours=n)


def days(n: float) -> timedelta:
    """``n`` days."""
    return timedelta(days=n)


@dataclass(frozen=True, slots=True)
class Calls:
    """The estimate of one refresh: how many calls to the provider, and how many bytes they bring together."""

    calls: int
    bytes: int = 0


@dataclass(frozen=True, slots=True)
class Series:
    """A time series: the field that holds its rows, and the columns that are the natural key of a row."""

    field: str
    key: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Product:
    """One declared product. See :func:`product` for what each part means."""

    name: str
    key: type[Key]
    version: int
    policy: Policy | None
    retry_for: timedelta
    keep_for: timedelta
    timeout: timedelta
    patience: timedelta
    job_class: str
    max_attempts: int
    max_bytes: int
    bundle: int = field(default=1, kw_only=True)
    provider: str
    estimate: Calls
    licence: str
    source_time: str | None
    calendar: str | None
    series: Series | None
    model: type[BaseModel] | None
    producer: Producer = field(repr=False)
    challenge: Challenge | None = field(default=None, kw_only=True)

    @property
    def is_task(self) -> bool:
        """Whether it leaves no artifact."""
        return self.policy is None

    @property
    def makes(self) -> type[BaseModel] | None:
        """What its producer returns: a challenger makes what the product makes that it challenges."""
        return self.model if self.challenge is None else self.challenge.of.model

    def parse_key(self, text: str) -> str:
        """The canonical key that ``text`` stands for. Raises :class:`InvalidKey`."""
        try:
            return self.key.parse(text)
        except ValueError as error:
            raise InvalidKey(self.name, text, str(error)) from None

    def seed(self) -> dict[str, Any]:
        """The row that this declaration stands for, by column."""
        return {
            "kind": "task" if self.is_task else "artifact",
            "version": self.version,
            "provider": self.provider,
            "job_class": CLASSES[self.job_class],
            "ttl": self.policy and self.policy.ttl,
            "stale_ttl": self.policy and self.policy.stale_ttl,
            "empty_ttl": self.policy and self.policy.empty_ttl,
            "retry_ttl": self.retry_for,
            "keep_for": self.keep_for,
            "timeout": self.timeout,
            "patience": self.patience,
            "max_attempts": self.max_attempts,
            "max_bytes": self.max_bytes,
            "bundle": self.bundle,
            "calls": self.estimate.calls,
            "bytes": self.estimate.bytes,
            "licence": self.licence,
        }


@dataclass(frozen=True, slots=True)
class ProductRow:
    """The policy of a product as it is in force."""

    name: str
    kind: str
    version: int
    provider: str
    job_class: int
    ttl: timedelta | None
    stale_ttl: timedelta | None
    empty_ttl: timedelta | None
    retry_ttl: timedelta
    keep_for: timedelta
    timeout: timedelta
    patience: timedelta
    max_attempts: int
    max_bytes: int
    bundle: int
    calls: int
    bytes: int
    licence: str
    enabled: bool
    changed_at: datetime
    revision: int
    changed: Sequence[str]

    def as_json(self) -> dict[str, Any]:
        """For programs; durations in seconds, sizes in bytes. ``changed`` names what an operator has set."""
        return {
            "name": self.name,
            "kind": self.kind,
            "version": self.version,
            "provider": self.provider,
            "class": class_name(self.job_class),
            "ttl_s": self.ttl and self.ttl.total_seconds(),
            "stale_ttl_s": self.stale_ttl and self.stale_ttl.total_seconds(),
            "empty_ttl_s": self.empty_ttl and self.empty_ttl.total_seconds(),
            "retry_ttl_s": self.retry_ttl.total_seconds(),
            "keep_for_s": self.keep_for.total_seconds(),
            "timeout_s": self.timeout.total_seconds(),
            "patience_s": self.patience.total_seconds(),
            "max_attempts": self.max_attempts,
            "max_bytes": self.max_bytes,
            "bundle": self.bundle,
            "calls": self.calls,
            "bytes": self.bytes,
            "licence": self.licence,
            "revision": self.revision,
            "enabled": self.enabled,
            "changed_at": self.changed_at.isoformat(),
            "changed": list(self.changed),
        }


class Registry:
    """The products that this process knows, and the schedules by which they are made, by name."""

    def __init__(self, products: Sequence[Product] = (), schedules: Sequence[Schedule] = ()) -> None:
        self.products: dict[str, Product] = {}
        self.schedules: dict[str, Schedule] = {}
        self.challengers: dict[str, list[Product]] = {}
        self.broken: dict[str, str] = {}
        """Modules of producers that do not load, and the type of the error (PF-30)."""
        for one in products:
            self.add(one)
        for due in schedules:
            self.add_schedule(due)

    def add(self, one: Product) -> None:
        """Register ``one``. Raises :class:`InvalidDeclaration` when the name is taken."""
        if one.name in self.products:
            raise InvalidDeclaration(f"Two products are called {one.name!r}; a result has one registered producer.")
        self.products[one.name] = one
        if one.challenge is not None:
            self.challengers.setdefault(one.challenge.of.name, []).append(one)

    def add_schedule(self, one: Schedule) -> None:
        """Register ``one``. Raises :class:`InvalidDeclaration` when the name is taken."""
        if one.name in self.schedules:
            raise InvalidDeclaration(f"Two schedules are called {one.name!r}.")
        self.schedules[one.name] = one
        if one.spreads is not None:
            self.add(one.spreads)

    def get(self, name: str) -> Product:
        """The product called ``name``. Raises :class:`UnknownProduct`."""
        try:
            return self.products[name]
        except KeyError:
            raise UnknownProduct(name, sorted(self.products)) from None

    def artifact(self, name: str) -> Product:
        """The product called ``name``, for those who read or want. Raises UnknownProduct and :class:`KeepsNoResult`."""
        found = self.get(name)
        if found.is_task:
            raise KeepsNoResult(name)
        return found

    def __iter__(self) -> Iterator[Product]:
        return iter(self.products.values())

    async def seed(self, db: Db) -> None:
        """Bring the registry rows up to this code: new products get a row, untouched policy follows the declaration,
        and what an operator has changed stays as it is. Views and tables for SQL follow the models.
        """
        for one in self:
            await db.execute(SQL.get("seed_product"), one.name, *one.seed().values(), _plain(one.seed()))
        for one in self:
            if one.challenge is not None:
                await db.execute(SQL.get("seed_challenge"), one.name, *one.challenge.seed())
        await shape(db, self)


def _plain(seed: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: f"{value.total_seconds()} seconds" if isinstance(value, timedelta) else value
        for name, value in seed.items()
    }


async def list_products(db: Db) -> list[ProductRow]:
    """The registry as it is in force, by name."""
    return [ProductRow(**row) for row in await db.fetch(SQL.get("list_products"))]


def product(
    name: str,
    *,
    key: type[Key],
    version: int,
    ttl: timedelta,
    stale: timedelta,
    empty: timedelta,
    retry: timedelta,
    keep: timedelta,
    timeout: timedelta,
    spends: Mapping[str, Calls],
    licence: str,
    job_class: str = "interactive",
    max_attempts: int = 5,
    max_bytes: int = 1_000_000,
    patience: timedelta = PATIENCE,
    source_time: str | None = None,
    calendar: str | None = None,
    series: Series | None = None,
) -> Callable[[Producer], Product]:
    """Declare the decorated coroutine function as the producer of the product ``name``.

    ``key``          what its keys look like
    ``version``      of the producer; change it when the same inputs would give another result
    ``ttl``          how long a value is fresh after it was checked
    ``stale``        how long it may still be served after it was checked
    ``empty``        how long "the source has nothing" holds
    ``retry``        how long a key that failed is left alone
    ``keep``         how long a version is kept after a newer one has replaced it
    ``timeout``      of one attempt
    ``spends``       the provider that it calls, and the estimate of one refresh
    ``patience``     how long a job of it may wait before it is given up
    ``licence``      who may see the value: ``personal``, ``display``, ``public-domain``, ``cc0``
    ``source_time``  the field of the value that says how old the source's data is
    ``calendar``     the field that names its calendar of opening hours, or None: while closed, ``ttl`` stands still
    ``series``       the rows that are kept in a table for SQL, also when the source has them no longer

    The producer takes the key and a context and returns the annotated model. Raises :class:`InvalidDeclaration`.
    """

    def declare(producer: Producer) -> Product:
        model = _model_of(name, producer, source_time, calendar, series)
        _check_artifact(name, policy := Policy(ttl, stale, empty, retry), keep, licence, max_bytes, spends)
        _check_common(name, key, version, job_class, max_attempts, (retry, timeout, patience), spends)
        ((provider, estimate),) = spends.items()
        return Product(
            name=name,
            key=key,
            version=version,
            policy=policy,
            retry_for=retry,
            keep_for=keep,
            timeout=timeout,
            patience=patience,
            job_class=job_class,
            max_attempts=max_attempts,
            max_bytes=max_bytes,
            provider=provider,
            estimate=estimate,
            licence=licence,
            source_time=source_time,
            calendar=calendar,
            series=series,
            model=model,
            producer=producer,
        )

    return declare


def _model_of(
    name: str, producer: Producer, source_time: str | None, calendar: str | None, series: Series | None
) -> type[BaseModel]:
    """The model that the producer is annotated to return. Raises :class:`InvalidDeclaration`."""
    model = get_type_hints(producer).get("return")
    if not (isinstance(model, type) and issubclass(model, BaseModel)):
        raise InvalidDeclaration(f"The producer of {name!r} must be annotated to return a model.")
    if source_time is not None and source_time not in model.model_fields:
        raise InvalidDeclaration(f"{name!r} has no field {source_time!r} to read its source time from.")
    if calendar is not None and (
        calendar not in model.model_fields or model.model_fields[calendar].annotation not in (str, str | None)
    ):
        raise InvalidDeclaration(f"{name!r} has no field {calendar!r} of type str | None that could name its calendar.")
    if series is not None:
        _check_series(name, model, series)
    return model


def _check_series(name: str, model: type[BaseModel], series: Series) -> None:
    """The rows are models or named tuples, and their key can be told. Raises :class:`InvalidDeclaration`."""
    row = rows_of(model, series.field)
    columns = {column.name: column for column in columns_of(row)} if row else {}
    key = [columns.get(one) for one in series.key]
    if len(name) > LONGEST_SERIES or any(one is None or one.kind == "jsonb" for one in key):
        raise InvalidDeclaration(
            f"{name!r} needs a list of rows in {series.field!r} that have {', '.join(series.key)} as plain columns, "
            f"and a name of at most {LONGEST_SERIES} letters."
        )
    if all(one is None or one.nullable for one in key):
        raise InvalidDeclaration(f"The natural key of {name!r} needs a column that is never None.")


def _check_artifact(
    name: str, policy: Policy, keep: timedelta, licence: str, max_bytes: int, spends: Mapping[str, Calls]
) -> None:
    """What only a product that leaves an artifact must have. Raises :class:`InvalidDeclaration`."""
    if len(spends) != 1:
        raise InvalidDeclaration(f"{name!r} must name exactly one provider in spends.")
    if not timedelta(0) < policy.ttl <= policy.stale_ttl or policy.empty_ttl <= timedelta(0) or keep < timedelta(0):
        raise InvalidDeclaration(f"{name!r} needs 0 < ttl <= stale, empty above 0, and keep from 0.")
    if not licence or not 1 <= max_bytes <= MOST_BYTES:
        raise InvalidDeclaration(f"{name!r} needs a licence, and max_bytes from 1 to {MOST_BYTES:,}.")


def _check_common(
    name: str,
    key: type[Key],
    version: int,
    job_class: str,
    max_attempts: int,
    spans: tuple[timedelta, ...],
    spends: Mapping[str, Calls],
) -> None:
    """What products and tasks must have in common. Raises :class:`InvalidDeclaration`."""
    if not re.fullmatch(r"[a-z][a-z0-9-]{0,62}", name):
        raise InvalidDeclaration(f"{name!r} is no name; it takes lower-case letters, digits and hyphens, up to 63.")
    if not issubclass(key, Key):
        raise InvalidDeclaration(f"{name!r} needs a type of key.")
    if job_class not in CLASSES:
        raise InvalidDeclaration(f"{name!r} has job_class {job_class!r}; it must be one of {', '.join(CLASSES)}.")
    if version < 1 or not 1 <= max_attempts <= 100 or min(spans) <= timedelta(0):
        raise InvalidDeclaration(
            f"{name!r} needs a version from 1, 1 to 100 attempts, and retry, timeout, patience above 0."
        )
    if any(estimate.calls < 0 or estimate.bytes < 0 for estimate in spends.values()):
        raise InvalidDeclaration(f"{name!r} has an estimate below 0.")


def task(
    name: str,
    *,
    version: int,
    timeout: timedelta,
    retry: timedelta,
    key: type[Key] = Key,
    job_class: str = "background",
    max_attempts: int = 5,
    patience: timedelta = PATIENCE,
    bundle: int = 1,
    spends: Mapping[str, Calls] | None = None,
) -> Callable[[Producer], Product]:
    """Declare the decorated coroutine function as a task: work that leaves no artifact, such as a mail or a clean-up.

    It runs under the same rules as a product: one live job a key, tokens, attempts, spends. It takes a key and a
    context and returns nothing. With ``bundle`` above 1 a slot claims that many jobs at once and runs them one after
    another; that is for small tasks in large numbers. Raises :class:`InvalidDeclaration`.
    """

    def declare(producer: Producer) -> Product:
        if not 1 <= bundle <= MOST_BUNDLE or len(spends or {}) > (bundle == 1):
            raise InvalidDeclaration(
                f"{name!r} needs 1 to {MOST_BUNDLE:,} jobs a bundle, and at most one provider, none where it bundles."
            )
        _check_common(name, key, version, job_class, max_attempts, (retry, timeout, patience), spends or {})
        provider, estimate = next(iter((spends or {"": Calls(0)}).items()))
        return Product(
            name=name,
            key=key,
            version=version,
            policy=None,
            retry_for=retry,
            keep_for=timedelta(0),
            timeout=timeout,
            patience=patience,
            job_class=job_class,
            max_attempts=max_attempts,
            max_bytes=1,
            bundle=bundle,
            provider=provider,
            estimate=estimate,
            licence="internal",
            source_time=None,
            calendar=None,
            series=None,
            model=None,
            producer=producer,
        )

    return declare


async def set_product(
    db: Db, name: str, changes: Mapping[str, Any], *, actor: str, reason: str = "", seen: int | None = None
) -> ProductRow:
    """Change policy columns of a product while the system runs; the change is audited.

    ``seen`` is the revision on which it was decided. Raises :class:`UnknownProduct` for a name without a row,
    :class:`Overtaken`, and ``ValueError`` for a column that is not policy.
    """
    allowed = {
        "ttl",
        "stale_ttl",
        "empty_ttl",
        "retry_ttl",
        "keep_for",
        "timeout",
        "max_attempts",
        "max_bytes",
        "calls",
        "bytes",
        "enabled",
    }
    if wrong := sorted(set(changes) - allowed):
        raise ValueError(f"{', '.join(wrong)} cannot be set; what can be set is {', '.join(sorted(allowed))}")
    said = checked_reason(reason) or None
    done = await db.fetchval(SQL.get("set_product"), name, _plain(changes), actor, said, seen)
    rows = {one.name: one for one in await list_products(db)}
    if name not in rows:
        raise UnknownProduct(name, list(rows))
    if done is None:
        raise await overtaken(db, "product", name, seen or 1, rows[name].revision)
    return rows[name]
