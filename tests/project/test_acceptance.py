"""The lists of requirements in docs/ name tests that exist, and leave nothing out."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LISTS = {
    "platform-acceptance": [
        *(f"PF-{n}" for n in range(1, 51)), *(f"MD-{n}" for n in range(1, 29)), "DC-1", "DC-2", "DC-5",
    ],
    "digest-acceptance": [*(f"DG-{n}" for n in range(1, 42)), "DC-3", "DC-4", "DC-6", "DC-10", "PF-42"],
    "picks-readiness": [f"PK-{n}" for n in range(1, 23)],
    "forecast-acceptance": [*(f"FC-{n}" for n in range(1, 28)), "DC-8"],
}  # fmt: skip


@cache
def functions(file: str) -> frozenset[str]:
    tree = ast.parse((ROOT / file).read_text("utf-8"))
    return frozenset(node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


@pytest.mark.parametrize("name", LISTS)
def test_every_line_has_a_proof_that_exists(name: str) -> None:
    """Each requirement has its line, in order; each line names a test, and that test is there."""
    lines = (ROOT / "docs" / f"{name}.md").read_text("utf-8").splitlines()
    rows = [line for line in lines if re.match(r"\| (?!-|.*\| Proof|.*\| Proved)", line)]
    assert len(rows) > 20
    first = (row.split(" | ")[0].removeprefix("| ") for row in rows)
    assert list(dict.fromkeys(one for one in first if re.fullmatch(r"[A-Z]{2}-\d+", one))) == LISTS[name]
    for row in rows:
        named = re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", row)
        assert named, row
        for file, test in named:
            assert test in functions(file), f"{file}::{test}"
