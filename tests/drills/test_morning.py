"""A small morning of digests, with everything that happens in a large one."""

from __future__ import annotations

import asyncpg
import pytest

from openbell.drills.morning import MOST_TICKERS_EACH, Size, follows_of, play
from openbell.drills.morning_report import tell
from tests.sandbox.conftest import sandbox, start  # noqa: F401 - fixtures
from tests.sandbox.harness import Running

SMALL = Size(tickers=4, people=10, requests=2, workers=2, slots=2, send="02:40", outage_min=1, seed=7)


def test_every_ticker_has_somebody() -> None:
    """DG-35: nobody follows more than three tickers, every ticker is followed, and a seed is a crowd."""
    size = Size()
    found = follows_of(size)
    assert found == follows_of(size) != follows_of(Size(seed=2))
    assert {one for wanted in found for one in wanted} == set(range(size.tickers))
    assert all(1 <= len(wanted) == len(set(wanted)) <= MOST_TICKERS_EACH for wanted in found)


@pytest.mark.slow
async def test_every_mail_arrives_once(dsn: str, pool: asyncpg.Pool, sandbox: Running) -> None:  # noqa: F811
    """DG-21, DG-29, DG-39: killed, replaced and without a provider, every mail that is due arrives once, paid once."""
    said: list[str] = []
    played = await play(dsn, sandbox.url, SMALL, said.append)
    assert played.faults == [], said
    assert (played.killed, played.replaced, played.served) == (2, 2, 2)
    assert played.due == played.arrived > 0
    assert (played.left_mails, played.paid_twice) == (0, 0)
    assert played.paid_calls > 0
    assert "Every promise was kept." in tell(SMALL, played)
