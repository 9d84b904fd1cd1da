"""The hostile corpus: articles and answers that want something, and get nothing."""

from __future__ import annotations

import os
from pathlib import Path

import asyncpg
import pytest

from tests.products.digest.hostile.play import everything, table
from tests.products.digest.writing import Desk, scripted

PAGE = Path(__file__).resolve().parents[4] / "docs" / "hostile-corpus.md"


@pytest.mark.slow
async def test_nothing_changes_that_should_not(pool: asyncpg.Pool) -> None:
    """Issue 6, Done when: at least 100 hostile texts and answers change nothing they should not."""
    async with scripted(pool, {}, max_attempts=1) as writing:
        played = await everything(pool, await Desk.open(pool), writing)
    wrong = {f"{kind}, {group}: {name}": outcome.wrong for kind, group, name, outcome in played if outcome.wrong}
    assert wrong == {}
    assert len(played) >= 100
    page = table(played)
    if os.environ.get("WRITE_CORPUS"):
        PAGE.write_text(page)
    assert PAGE.read_text() == page
