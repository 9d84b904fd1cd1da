"""Many who take what they can get: no account is ever overdrawn, and every sum is exact.

The short form of ``make chaos RESERVATIONS=1000000``.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.chaos.mutants import SIEGE
from tests.chaos.siege import BESIEGERS, run

RESERVATIONS = 20_000
FEW = 2_500


@pytest.mark.slow
async def test_eight_against_six_small_accounts(dsn: str, tmp_path: Path) -> None:
    """PF-19, PF-21: 20,000 reservations by eight processes, some of them killed: nothing over any limit, sums exact.

    A watcher reads the accounts in one snapshot after the other; in the end their history is played from the spends.
    """
    siege = await run(dsn, tmp_path, reservations=RESERVATIONS, seed=1)
    assert siege.violations == []
    assert siege.counts["asked"] >= RESERVATIONS
    assert siege.counts["kills"] > BESIEGERS
    assert siege.looks > 20
    assert min(siege.counts["ok"], siege.counts["full"]) > RESERVATIONS / 20


@pytest.mark.slow
@pytest.mark.parametrize("mutant", SIEGE)
async def test_a_ledger_that_overspends_is_noticed(dsn: str, tmp_path: Path, mutant: str) -> None:
    """PF-19: a ledger that is broken on purpose does not pass the siege."""
    siege = await run(dsn, tmp_path, reservations=FEW, seed=1, mutant=mutant)
    assert SIEGE[mutant].rule in {rule for rule, _ in siege.violations}, siege.violations[:5]
