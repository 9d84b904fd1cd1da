"""What is known can be read in SQL: views follow the models, and rows of a series stay by their natural key."""

from __future__ import annotations

import asyncio
from datetime import UTC, date, datetime
from typing import Any, Literal, NamedTuple

import asyncpg
import pytest
from pydantic import BaseModel, Field, NaiveDatetime

from openbell.engine.columns import columns_of
from openbell.engine.errors import InvalidDeclaration
from openbell.engine.registry import Product, Registry, Series, product
from openbell.engine.shapes import OF_VIEW, Shapes, look, shape_of
from openbell.products import registry
from tests.engine.hand import Hand, Key, declare, queue
from tests.engine.test_registry import COMPLETE
from tests.support import Clock


class Bar(NamedTuple):
    day: date
    close: float
    note: str | None


class Inner(BaseModel):
    low: float | None
    many: list[int]


class Everything(BaseModel):
    """One field of each kind."""

    name: str
    price: float = Field(description="dollars")
    count: int | None
    good: bool
    day: date | None
    at: datetime
    local: NaiveDatetime
    side: Literal["buy", "sell"]
    key: str
    inner: Inner | None
    open: dict[str, float]


EVERYTHING: dict[str, Any] = {
    "name": "A'B",
    "price": 1.5,
    "count": None,
    "good": True,
    "day": "2012-06-01",
    "at": "2012-06-01T12:00:00Z",
    "local": "2012-06-01T09:30:00",
    "side": "buy",
    "key": "theirs",
    "inner": {"low": 2.0, "many": [1]},
    "open": {"x": 1.0},
}


class Bars(BaseModel):
    symbol: str
    rows: list[Bar]


class Trade(BaseModel):
    day: date
    who: str | None
    shares: float


class Trades(BaseModel):
    rows: list[Trade]


def made(model: type[BaseModel], name: str = "thing", **other: Any) -> Product:
    """A product that returns this model."""

    async def producer(key: Key, ctx: Any) -> BaseModel:
        raise AssertionError("what is shown in SQL is published by hand here")

    producer.__annotations__["return"] = model
    return product(name, **(COMPLETE | other))(producer)


WHERE = "ctid::text, xmin::text, xmax::text"
BARS = made(Bars, series=Series("rows", ("day",)))
TRADES = made(Trades, series=Series("rows", ("day", "who", "shares")))


class Desk:
    """Publishes values of one product, and reads what SQL shows."""

    def __init__(self, pool: asyncpg.Pool, clock: Clock, one: Product, hand: Hand) -> None:
        self.pool, self.clock, self.one, self.hand = pool, clock, one, hand

    @classmethod
    async def open(cls, pool: asyncpg.Pool, clock: Clock, one: Product) -> Desk:
        return cls(pool, clock, one, await Hand.hire(pool, one))

    async def publish(self, value: dict[str, Any] | None, key: str = "a") -> str:
        await self.clock.advance(hours=3)
        assert await queue(self.pool, key, name=self.one.name)
        (claim,) = await self.hand.claim()
        answer = await self.hand.publish(claim, value)
        assert answer is not None
        return str(answer["outcome"])

    async def bars(self, *rows: tuple[str, float], key: str = "a") -> str:
        return await self.publish({"symbol": key, "rows": [[day, close, None] for day, close in rows]}, key)

    async def view(self) -> list[dict[str, Any]]:
        return [dict(row) for row in await self.pool.fetch(f'select * from data."{self.one.name}" order by key')]

    async def rows(
        self, columns: str = "day::text, close, version, gone_at is not null as gone"
    ) -> list[tuple[Any, ...]]:
        return [tuple(row) for row in await self.pool.fetch(f"select {columns} from data.thing_rows order by key, day")]


async def types_of(pool: asyncpg.Pool, table: str) -> dict[str, str]:
    """The SQL type of each column."""
    return {
        row["column_name"]: row["data_type"]
        for row in await pool.fetch(
            "select column_name, data_type from information_schema.columns "
            "where table_schema = 'data' and table_name = $1 order by ordinal_position",
            table,
        )
    }


async def test_every_field_is_a_column_of_its_type(pool: asyncpg.Pool, clock: Clock) -> None:
    """MD-27: a notebook reads numbers, days and times, not JSON; models within are columns, the rest is jsonb."""
    desk = await Desk.open(pool, clock, made(Everything))
    assert await desk.publish(EVERYTHING) == "done"
    types = await types_of(pool, "thing")
    assert tuple(types)[:9] == OF_VIEW
    assert {name: types[name] for name in list(types)[9:]} == {
        "name": "text",
        "price": "double precision",
        "count": "bigint",
        "good": "boolean",
        "day": "date",
        "at": "timestamp with time zone",
        "local": "timestamp without time zone",
        "side": "text",
        "value_key": "text",
        "inner_low": "double precision",
        "inner_many": "jsonb",
        "open": "jsonb",
    }
    (row,) = await desk.view()
    at = datetime(2012, 6, 1, 12, tzinfo=UTC)
    assert (row["key"], row["value_key"], row["state"], row["version"]) == ("a", "theirs", "fresh", 1)
    assert (row["name"], row["price"], row["count"], row["good"]) == ("A'B", 1.5, None, True)
    assert (row["day"], row["at"], row["local"]) == (date(2012, 6, 1), at, at.replace(hour=9, minute=30, tzinfo=None))
    assert (row["inner_low"], row["inner_many"], row["open"]) == (2.0, [1], {"x": 1.0})
    assert (row["licence"], row["synthetic"], row["checked_at"]) == ("cc0", None, row["changed_at"])


async def test_a_view_tells_the_state_as_every_reader_is_told(pool: asyncpg.Pool, clock: Clock) -> None:
    """MD-27, PF-13: fresh, stale, expired and empty by the database's clock; a key without a value has a row too."""
    desk = await Desk.open(pool, clock, made(Everything))
    await desk.publish(EVERYTHING)
    states = [(await desk.view())[0]["state"]]
    for step in ({"minutes": 2}, {"hours": 2}):
        await clock.advance(**step)
        states.append((await desk.view())[0]["state"])
    assert states == ["fresh", "stale", "expired"]
    assert await desk.publish(None, "b") == "empty"
    assert [(row["key"], row["state"], row["version"], row["price"]) for row in await desk.view()] == [
        ("a", "expired", 1, 1.5),
        ("b", "empty", 0, None),
    ]


async def test_one_odd_value_does_not_hide_the_others(pool: asyncpg.Pool, clock: Clock) -> None:
    """MD-27: what an older model has stored as another type is null in the view; the rest of it is there."""
    desk = await Desk.open(pool, clock, made(Everything))
    odd = {"price": "dear", "count": 1e30, "good": "yes", "day": "2012-13-01", "at": "noon", "local": 5, "inner": [1]}
    await desk.publish(EVERYTHING | odd)
    (row,) = await desk.view()
    assert {row[name] for name in ("price", "count", "good", "day", "at", "local", "inner_low")} == {None}
    assert row["name"] == "A'B"


async def test_rows_stay_when_the_source_returns_fewer(pool: asyncpg.Pool, clock: Clock) -> None:
    """MD-15, MD-27: a row that the source stops returning keeps its figures and says since when; the key is fresh."""
    desk = await Desk.open(pool, clock, BARS)
    await desk.bars(("2012-06-01", 1.0), ("2012-06-04", 2.0), ("2012-06-05", 3.0))
    await desk.bars(("2012-06-04", 2.0), ("2012-06-05", 3.5), ("2012-06-06", 4.0))
    assert await desk.rows() == [
        ("2012-06-01", 1.0, 1, True),
        ("2012-06-04", 2.0, 1, False),
        ("2012-06-05", 3.5, 2, False),
        ("2012-06-06", 4.0, 2, False),
    ]
    (row,) = await desk.view()
    assert (row["state"], row["symbol"], "rows" in row) == ("fresh", "a", False)
    (gone_at,) = await pool.fetchrow("select gone_at from data.thing_rows where gone_at is not null") or ()
    assert gone_at == row["changed_at"]
    assert await desk.publish(None) == "empty"
    assert len(await desk.rows()) == 4


async def test_an_equal_row_is_not_written(pool: asyncpg.Pool, clock: Clock) -> None:
    """MD-27: what is there, equal, is left alone, by a new version as by one that is repeated."""
    desk = await Desk.open(pool, clock, BARS)
    await desk.bars(("2012-06-01", 1.0), ("2012-06-04", 2.0))
    before = await desk.rows(WHERE)
    await desk.bars(("2012-06-01", 1.0), ("2012-06-04", 2.0), ("2012-06-05", 3.0))
    assert (await desk.rows(WHERE))[:2] == before
    whole = await desk.rows(WHERE)
    await pool.execute("select openbell.keep_thing('a', 2)")
    assert await desk.rows(WHERE) == whole


async def test_a_row_that_comes_back_is_there_again(pool: asyncpg.Pool, clock: Clock) -> None:
    """MD-27: gone is not for ever; first_at stays what it was."""
    desk = await Desk.open(pool, clock, BARS)
    await desk.bars(("2012-06-01", 1.0), ("2012-06-04", 2.0))
    first = await desk.rows("first_at")
    await desk.bars(("2012-06-04", 2.0))
    await desk.bars(("2012-06-01", 1.5), ("2012-06-04", 2.0))
    assert await desk.rows() == [("2012-06-01", 1.5, 3, False), ("2012-06-04", 2.0, 1, False)]
    assert await desk.rows("first_at") == first


async def test_keys_with_blanks_and_long_texts(pool: asyncpg.Pool, clock: Clock) -> None:
    """MD-27: a part of the natural key may be None or longer than an index takes; each row is still there once."""
    desk = await Desk.open(pool, clock, TRADES)
    lots = [
        {"day": "2012-06-01", "who": who, "shares": shares} for who in (None, "x" * 20_000, "y") for shares in (1, 2)
    ]
    await desk.publish({"rows": lots})
    await desk.publish({"rows": [*lots, {"day": "2012-06-02", "who": None, "shares": 1}]})
    await desk.publish({"rows": [*lots[2:], *lots[2:]]})
    counted = "select count(*), count(gone_at), max(version), count(distinct (day, who, shares)) from data.thing_rows"
    assert tuple(await pool.fetchrow(counted) or ()) == (7, 3, 2, 7)
    assert await pool.fetchval("select trouble from openbell.shape") is None


async def test_workers_that_publish_at_once(pool: asyncpg.Pool, clock: Clock) -> None:
    """MD-27: any number of keys published side by side, again and again, end as one row for each natural key."""
    desk = await Desk.open(pool, clock, BARS)
    keys = [f"k{n}" for n in range(8)]
    for turn in range(3):
        await clock.advance(hours=3)
        await queue(pool, *keys, name="thing")
        claims = await desk.hand.claim(8)
        value = {"symbol": "s", "rows": [[f"2012-06-{day:02d}", float(turn * (day % 2)), None] for day in range(1, 21)]}
        await asyncio.gather(*(desk.hand.publish(claim, value) for claim in claims))
    rows = await pool.fetch("select key, count(*) as n, sum(close) as total from data.thing_rows group by key")
    assert sorted((row["key"], row["n"], row["total"]) for row in rows) == [(key, 20, 20.0) for key in keys]


async def test_a_table_in_trouble_costs_no_result(pool: asyncpg.Pool, clock: Clock) -> None:
    """PF-13: a result whose rows cannot be taken is published; it is said why, and the next version mends it."""
    desk = await Desk.open(pool, clock, BARS)
    await pool.execute("alter table data.thing_rows add constraint low check (close < 5)")
    assert await desk.bars(("2012-06-01", 9.0)) == "done"
    assert await desk.rows() == []
    (told,) = (await look(pool, [BARS])).trouble
    assert "thing a v1" in told
    await pool.execute("alter table data.thing_rows drop constraint low")
    await desk.bars(("2012-06-01", 9.0), ("2012-06-04", 1.0))
    assert [row[:2] for row in await desk.rows()] == [("2012-06-01", 9.0), ("2012-06-04", 1.0)]


async def test_whoever_locks_a_table_stops_no_result(
    pool: asyncpg.Pool, another_pool: asyncpg.Pool, clock: Clock
) -> None:
    """PF-13: a result does not wait for somebody who has the table; its rows are filled in when the table is free."""
    desk = await Desk.open(pool, clock, BARS)
    async with another_pool.acquire() as other, other.transaction():
        await other.execute("lock table data.thing_rows in share mode")
        assert await desk.bars(("2012-06-01", 9.0)) == "done"
        (told,) = (await look(pool, [BARS])).trouble
        assert "thing a v1" in told
        assert "lock" in told
        await Registry([BARS]).seed(pool)
        assert await desk.rows() == []
    await Registry([BARS]).seed(pool)
    assert [row[:2] for row in await desk.rows()] == [("2012-06-01", 9.0)]
    assert await pool.fetchval("select filled_to from openbell.shape") is None


async def test_what_was_known_before_is_taken_in(pool: asyncpg.Pool, clock: Clock) -> None:
    """MD-27: a product that becomes a series has the rows of every current value at once, by any number of seeders."""
    desk = await Desk.open(pool, clock, made(Bars))
    for number in range(45):
        await desk.bars(("2012-06-01", float(number)), key=f"k{number:02d}")
    assert (await desk.view())[0]["rows"] == [["2012-06-01", 0.0, None]]
    await asyncio.gather(*(Registry([BARS]).seed(pool) for _ in range(4)))
    assert await pool.fetchval("select count(*) from data.thing_rows") == 45
    assert await pool.fetchval("select filled_to from openbell.shape") is None


class Grown(BaseModel):
    day: date
    close: float
    volume: float | None = None


class GrownBars(BaseModel):
    exchange: str = "X"
    symbol: str
    rows: list[Grown]


class Bent(BaseModel):
    day: date
    close: str


class BentBars(BaseModel):
    symbol: str
    rows: list[Bent]


async def test_a_new_field_is_a_new_column(pool: asyncpg.Pool, clock: Clock) -> None:
    """MD-27: a model that has grown changes view and table at the next start; the rows that are there stay."""
    desk = await Desk.open(pool, clock, BARS)
    await desk.bars(("2012-06-01", 1.0))
    await Registry([made(GrownBars, series=Series("rows", ("day",)))]).seed(pool)
    assert list(await types_of(pool, "thing"))[-2:] == ["exchange", "symbol"]
    await desk.publish({"exchange": "Y", "symbol": "a", "rows": [{"day": "2012-06-04", "close": 2.0, "volume": 7.0}]})
    assert await desk.rows("day::text, close, note, volume") == [
        ("2012-06-01", 1.0, None, None),
        ("2012-06-04", 2.0, None, 7.0),
    ]
    assert (await desk.view())[0]["exchange"] == "Y"


@pytest.mark.parametrize("other", [BentBars, Bars], ids=["another type", "another key"])
async def test_another_shape_sets_the_old_table_aside(pool: asyncpg.Pool, clock: Clock, other: type[BaseModel]) -> None:
    """MD-27: a table whose type or key no longer fits is kept under another name, and a new one is begun."""
    desk = await Desk.open(pool, clock, BARS)
    await desk.bars(("2012-06-01", 1.0))
    key = ("day",) if other is BentBars else ("day", "close")
    await Registry([made(other, series=Series("rows", key))]).seed(pool)
    assert await pool.fetchval("select close from data.thing_rows_1") == 1.0
    value = {
        "symbol": "a",
        "rows": [{"day": "2012-06-04", "close": "2"}] if other is BentBars else [["2012-06-04", 2.0, None]],
    }
    await desk.publish(value)
    assert str((await desk.rows("close"))[-1][0]).startswith("2")


async def test_seeding_again_changes_nothing(pool: asyncpg.Pool) -> None:
    """MD-27: views are made anew only when they change, whoever starts, and by how many at once."""
    at_once = [Registry([BARS, made(Everything, "other")]) for _ in range(6)]
    await asyncio.gather(*(one.seed(pool) for one in at_once))
    made_of = "select relname, oid from pg_class where relnamespace = 'data'::regnamespace order by 1"
    before = await pool.fetch(made_of)
    await asyncio.gather(*(one.seed(pool) for one in at_once))
    assert await pool.fetch(made_of) == before
    await pool.execute("drop view data.other")
    assert (await look(pool, at_once[0])).outdated == ["other"]
    await at_once[0].seed(pool)
    assert await look(pool, at_once[0]) == Shapes(2, [], [])
    assert "price" in await types_of(pool, "other")


async def test_a_reader_that_holds_a_view_stops_nobody(pool: asyncpg.Pool, another_pool: asyncpg.Pool) -> None:
    """MD-27: a changed model waits for the next start where somebody is reading, or has built on the view."""
    await Registry([made(Bars)]).seed(pool)
    await pool.execute("create view data.of_mine as select symbol from data.thing")
    await Registry([made(Everything)]).seed(pool)
    assert list(await types_of(pool, "thing"))[-1] == "rows"
    await pool.execute("drop view data.of_mine")
    async with another_pool.acquire() as reader, reader.transaction():
        await reader.fetch("select * from data.thing")
        await Registry([made(Everything)]).seed(pool)
        assert list(await types_of(pool, "thing"))[-1] == "rows"
    await Registry([made(Everything)]).seed(pool)
    assert list(await types_of(pool, "thing"))[-1] == "open"


async def test_a_reader_sees_this_schema_and_nothing_else(pool: asyncpg.Pool, clock: Clock) -> None:
    """MD-27: a role with rights on the schema `data` reads views and rows, and neither writes nor sees the engine."""
    desk = await Desk.open(pool, clock, BARS)
    await desk.bars(("2012-06-01", 1.0))
    typed = await Desk.open(pool, clock, made(Everything, "other"))
    await typed.publish(EVERYTHING)
    role = f"reader_{id(pool)}"
    async with pool.acquire() as conn, conn.transaction():
        await conn.execute(f"create role {role}; grant usage on schema data to {role}")
        await conn.execute(f"grant select on all tables in schema data to {role}; set local role {role}")
        row = await conn.fetchrow("select * from data.other")
        assert row is not None
        assert (row["state"], row["price"], row["day"]) == ("fresh", 1.5, date(2012, 6, 1))
        assert await conn.fetchval("select close from data.thing_rows") == 1.0
        for statement in ("select * from openbell.version", "delete from data.thing_rows", "select openbell.now()"):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                async with conn.transaction():
                    await conn.execute(statement)
        await conn.execute(f"reset role; drop owned by {role}; drop role {role}")


async def test_every_product_has_its_view_and_its_rows(pool: asyncpg.Pool) -> None:
    """MD-27: the columns of each data type of the registry are those of its model, each of one SQL type."""
    await registry().seed(pool)
    kinds = {
        "double": "double precision",
        "timestamptz": "timestamp with time zone",
        "timestamp": "timestamp without time zone",
    }
    series = 0
    for one in registry():
        if (shape := shape_of(one)) is None:
            continue
        tables = [(one.name.replace("-", "_"), shape["columns"], 9)]
        if shape["rows"]:
            series += 1
            tables.append((one.name.replace("-", "_") + "_rows", shape["rows"]["columns"], 1))
        for table, columns, standing in tables:
            expected = {column["name"]: kinds.get(column["kind"], column["kind"]) for column in columns}
            found = await types_of(pool, table)
            assert dict(list(found.items())[standing : standing + len(expected)]) == expected, table
            await pool.fetch(f"select * from data.{table}")
    assert series >= 12
    assert await pool.fetchval("select count(*) from openbell.shape where trouble is not null") == 0


@pytest.mark.parametrize(
    "series",
    [
        Series("symbol", ("day",)),
        Series("nowhere", ("day",)),
        Series("rows", ("nowhere",)),
        Series("rows", ()),
        Series("rows", ("note",)),
    ],
    ids=str,
)
def test_a_series_without_a_key_is_refused(series: Series) -> None:
    """MD-27: rows without a natural key that can be told are refused when the process starts."""
    with pytest.raises(InvalidDeclaration):
        made(Bars, series=series)


def test_two_columns_never_share_a_name() -> None:
    """MD-27: names of models within models that meet, or are too long for PostgreSQL, are told apart."""

    class Deep(BaseModel):
        b: int
        x: int

    class Wide(BaseModel):
        a_b: int
        a: Deep
        state: str
        value_state: str

    Wide.model_rebuild()
    shape = shape_of(made(Wide))
    assert shape is not None
    names = [column["name"] for column in shape["columns"]]
    assert len(set(names)) == len(names) == len(list(columns_of(Wide)))
    assert {"a_b", "value_a_b", "value_state"} <= set(names)


def test_a_task_has_no_shape() -> None:
    """MD-27: what leaves no artifact has no view."""
    assert shape_of(declare("thing")) is not None
    assert [shape_of(one) for one in registry() if one.is_task] == [None] * sum(one.is_task for one in registry())
