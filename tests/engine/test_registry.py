"""A product that leaves something out does not start; keys have one spelling; errors have codes."""

from __future__ import annotations

import inspect
from datetime import timedelta
from typing import Any

import asyncpg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from openbell.engine import errors
from openbell.engine.errors import EngineError, InvalidDeclaration, InvalidKey, UnknownProduct
from openbell.engine.keys import Global, Key
from openbell.engine.registry import (
    CLASSES,
    Calls,
    Registry,
    days,
    hours,
    list_products,
    minutes,
    product,
    seconds,
    set_product,
)
from tests.engine.hand import Number, declare

COMPLETE: dict[str, Any] = {
    "key": Key,
    "version": 1,
    "ttl": minutes(1),
    "stale": hours(1),
    "empty": hours(1),
    "retry": seconds(1),
    "keep": days(1),
    "timeout": seconds(1),
    "spends": {"shop": Calls(1)},
    "licence": "cc0",
}


@pytest.mark.parametrize("part", sorted(COMPLETE))
def test_a_product_without_a_part_of_its_policy_is_refused(part: str) -> None:
    """PF-1: a declaration without key, version, freshness, estimate or licence does not start."""
    with pytest.raises((TypeError, InvalidDeclaration)):
        product("thing", **{name: value for name, value in COMPLETE.items() if name != part})


@pytest.mark.parametrize(
    "wrong",
    [
        {"ttl": timedelta(0)},
        {"ttl": -minutes(1)},
        {"stale": seconds(1)},
        {"empty": timedelta(0)},
        {"retry": timedelta(0)},
        {"timeout": timedelta(0)},
        {"spends": {}},
        {"spends": {"a": Calls(1), "b": Calls(1)}},
        {"job_class": "urgent"},
        {"source_time": "nowhere"},
        {"keep": -days(1)},
        {"version": 0},
        {"licence": ""},
        {"max_attempts": 0},
        {"max_bytes": 0},
        {"spends": {"shop": Calls(-1)}},
        {"spends": {"shop": Calls(1, bytes=-1)}},
    ],
    ids=str,
)
def test_an_impossible_policy_is_refused(wrong: dict[str, Any]) -> None:
    """PF-1, MD-2: what cannot be kept is refused when the process starts, not when it works."""
    with pytest.raises(InvalidDeclaration):
        declare("thing", **wrong)


@pytest.mark.parametrize("name", ["", "Upper", "9th", "a b", "a_b", "x" * 64, "käse"])
def test_an_impossible_name_is_refused(name: str) -> None:
    """PF-45: identifiers that come from the registry are validated."""
    with pytest.raises(InvalidDeclaration):
        declare(name)


def test_a_producer_without_a_model_is_refused() -> None:
    """PF-1: a producer says what it returns."""

    async def bare(key: Key, ctx: Any):  # type: ignore[no-untyped-def]
        return None

    with pytest.raises(InvalidDeclaration, match="annotated"):
        product("thing", **COMPLETE)(bare)


def test_a_name_has_one_producer() -> None:
    """PF-1: one registered producer per product."""
    with pytest.raises(InvalidDeclaration, match="Two products"):
        Registry([declare("thing"), declare("thing")])


def test_an_unknown_product_is_named_with_the_known_ones() -> None:
    """PF-45: an unknown name is refused with what there is."""
    with pytest.raises(UnknownProduct, match="alpha, beta") as caught:
        Registry([declare("beta"), declare("alpha")]).get("gamma")
    assert caught.value.code == "unknown_product"


async def test_the_declaration_seeds_and_the_row_rules(pool: asyncpg.Pool) -> None:
    """MD-2: an operator's change outlives a new declaration; what nobody touched follows it; each change is audited."""
    await Registry([declare("thing", ttl=minutes(1), timeout=seconds(5))]).seed(pool)
    row = await set_product(pool, "thing", {"ttl": minutes(2)}, actor="ann")
    assert (row.ttl, list(row.changed)) == (minutes(2), ["ttl"])
    await Registry([declare("thing", ttl=minutes(3), timeout=seconds(9), version=2)]).seed(pool)
    (row,) = await list_products(pool)
    assert (row.ttl, row.timeout, row.version) == (minutes(2), seconds(9), 2)
    assert row.as_json()["ttl_s"] == 120
    audit = await pool.fetchrow("select * from openbell.audit")
    assert (audit["actor"], audit["action"], audit["target"]) == ("ann", "product.set", "thing")
    assert audit["before"]["ttl"] == "00:01:00"


async def test_only_policy_can_be_set(pool: asyncpg.Pool) -> None:
    """PF-45: a change names a policy column and a product that exists."""
    await Registry([declare("thing")]).seed(pool)
    with pytest.raises(ValueError, match="provider cannot be set"):
        await set_product(pool, "thing", {"provider": "elsewhere"}, actor="ann")
    with pytest.raises(UnknownProduct):
        await set_product(pool, "nothing", {"ttl": minutes(1)}, actor="ann")


async def test_the_audit_log_is_append_only(pool: asyncpg.Pool) -> None:
    """MD-2: what was done stays written down."""
    await Registry([declare("thing")]).seed(pool)
    await set_product(pool, "thing", {"enabled": False}, actor="ann")
    for statement in ("update openbell.audit set actor = 'bob'", "delete from openbell.audit"):
        with pytest.raises(asyncpg.PostgresError, match="append-only"):
            await pool.execute(statement)


@given(st.text(max_size=250))
def test_a_key_has_one_spelling(text: str) -> None:
    """PF-1: parsing what parsing gave changes nothing, so the same wish always meets the same row."""
    try:
        key = Key.parse(text)
    except ValueError:
        return
    assert Key.parse(key) == key
    assert 1 <= len(key) <= 200


@pytest.mark.parametrize("text", ["", "   ", "a\x00b", "a\nb", "x" * 201, "\ud800"])
def test_an_impossible_key_is_refused(text: str) -> None:
    """PF-48: a malformed key has a code and a reason, before any row."""
    with pytest.raises(InvalidKey) as caught:
        declare("thing").parse_key(text)
    assert caught.value.code == "malformed_key"


def test_a_global_product_has_one_key() -> None:
    """MD-26: a global data set uses one reserved key."""
    assert Global.parse(" global ") == "GLOBAL"
    with pytest.raises(ValueError, match="GLOBAL"):
        Global.parse("local")


def all_errors() -> list[type[EngineError]]:
    """Every class of the error tree."""
    return [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, EngineError)]


def test_every_error_has_a_code_of_its_own() -> None:
    """PF-48: errors carry a stable code in plain lower case, each its own, and a sentence of documentation."""
    codes = [kind.code for kind in all_errors()]
    assert len(set(codes)) == len(codes)
    assert all(code.replace("_", "").isalpha() and code.islower() for code in codes)
    assert all(kind.__doc__ for kind in all_errors())


def test_classes_are_in_their_order() -> None:
    """DC-4: interactive before scheduled, research, ad-hoc and background."""
    assert sorted(CLASSES, key=lambda name: CLASSES[name]) == [
        "interactive",
        "scheduled",
        "research",
        "ad-hoc",
        "background",
    ]


def test_a_model_is_what_a_test_product_makes() -> None:
    """PF-1: the declaration keeps the model that its producer is annotated with."""
    assert declare("thing").model is Number
