"""The list of what was asked of comparisons names tests that exist."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LIST = ROOT / "docs" / "forecast-acceptance.md"


def test_every_named_test_exists() -> None:
    """Each line names a test of ours, and each rule from FC-1 to FC-27 that is built has a line."""
    named = re.findall(r"`(tests/[\w/]+\.py)::(test_\w+)`", LIST.read_text("utf-8"))
    assert len(named) > 40
    missing = []
    for path, name in named:
        tree = ast.parse((ROOT / path).read_text("utf-8"))
        functions = (ast.FunctionDef, ast.AsyncFunctionDef)
        if name not in {one.name for one in ast.walk(tree) if isinstance(one, functions)}:
            missing.append(f"{path}::{name}")
    assert missing == []
