"""The rules about purchases under keys, on records of what must not be and of what no engine can prevent."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.chaos.history import History
from tests.chaos.rules import Final, keys_buy_once, orders_cost_what_was_sold


def record(folder: Path, *sales: dict[str, Any], jumps: float | None = None) -> History:
    """Sales of one thing under one key, a second after another."""
    history = History(folder / "history.jsonl")
    for at, sale in enumerate(sales):
        told = {"key": "7:ask", "step": "ask", "spend": 1, "cost": 10, "late": False}
        history.keep({"kind": "sale", "at": float(at), **told, **sale})
    if jumps is not None:
        history.keep({"kind": "jump", "at": jumps, "began": jumps, "seconds": 60.0})
    return history


def spends(**changed: Any) -> Final:
    """What we have written down of it."""
    return Final({"spend": [{"id": 1, "state": "settled", "effect": "lookup", "cost_micro": 10, **changed}]})


@pytest.mark.parametrize(
    ("second", "jumps", "seen"),
    [({}, None, 1), ({"late": True}, None, 0), ({}, 0.5, 0), ({}, 9.0, 1), ({"key": "8:ask", "spend": 2}, None, 0)],
)
def test_what_was_bought_twice_is_seen(tmp_path: Path, second: dict[str, Any], jumps: float | None, seen: int) -> None:
    """PF-21: twice under a key is a broken promise, unless the buyer came too late or the clock was moved."""
    assert len(list(keys_buy_once(record(tmp_path, {}, second, jumps=jumps), spends()))) == seen


@pytest.mark.parametrize(
    ("changed", "seen"),
    [({}, 0), ({"cost_micro": 9}, 1), ({"state": "released"}, 1), ({"id": 2}, 2), ({"state": "unknown"}, 0)],
)
def test_what_costs_something_else_is_seen(tmp_path: Path, changed: dict[str, Any], seen: int) -> None:
    """PF-21: a sale without its spend, of another price, or given back is a broken promise; one in doubt is not."""
    assert len(list(orders_cost_what_was_sold(record(tmp_path, {}), spends(**changed)))) == seen
