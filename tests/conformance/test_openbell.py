"""Openbell's row of the conformance table; the other rows are made by ``make conformance``."""

from __future__ import annotations

import pytest

from tests.conformance.engines.openbell import Openbell
from tests.conformance.suite import SCENARIOS


@pytest.mark.parametrize("name", SCENARIOS)
async def test_openbell_keeps_the_promise(empty_dsn: str, name: str) -> None:
    """PF-4, PF-5, DC-5: no late report of a lost job changes anything; overlapping claims never exceed a limit."""
    engine = Openbell()
    await engine.open(empty_dsn)
    try:
        verdict = await SCENARIOS[name](engine)
    finally:
        await engine.close()
    assert verdict.kept, verdict.seen
