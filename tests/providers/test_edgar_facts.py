"""EDGAR's figures: one fact of a company over time, and what is no such fact. All rows are synthetic."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import date
from typing import Any

import asyncpg
import pytest

from openbell.engine.attempt import Attempt
from openbell.engine.errors import NothingKnown, Transient
from openbell.providers import edgar
from openbell.providers.edgar import Edgar, Fact, Hosts
from tests.providers.attempts import an_attempt
from tests.providers.scripted import http, serving
from tests.sandbox.harness import Running

CONTACT = "Synthetic Tests ops@example.org"
ROW = {"end": "2012-04-20", "val": 935, "accn": "0000320193-12-000010", "form": "10-Q", "filed": "2012-04-25"}
SAID = {"cik": 320_193, "taxonomy": "dei", "tag": "Shares", "units": {"shares": [ROW], "USD": [ROW | {"val": 1}]}}


@pytest.fixture
async def attempt(pool: asyncpg.Pool) -> Attempt:
    """An attempt that may call EDGAR."""
    return await an_attempt(pool, edgar.limits(1_000))


@pytest.fixture
async def hosts(sandbox: Running) -> AsyncIterator[Hosts]:
    """The sandbox's two hosts."""
    made = edgar.open_http(CONTACT, f"{sandbox.url}/edgar")
    yield made
    await made.aclose()


async def test_a_fact_over_time(hosts: Hosts, attempt: Attempt) -> None:
    """B6: every value of one figure, whole, with the report that it comes from; an unknown company has nothing."""
    found = await Edgar(hosts, attempt).facts(51_143, "dei", "EntityCommonStockSharesOutstanding", "shares")
    assert len(found) > 20
    assert {one.value for one in found} == {1_130_000_000}
    assert {one.form for one in found} == {"10-Q", "10-K"}
    assert all(one.end < one.filed for one in found)
    for cik, tag in ((1, "EntityCommonStockSharesOutstanding"), (51_143, "NoSuchTag")):
        with pytest.raises(NothingKnown):
            await Edgar(hosts, attempt).facts(cik, "dei", tag, "shares")


async def test_only_the_unit_that_was_asked_for(attempt: Attempt) -> None:
    """MD-7: shares are not dollars: values in another unit are not taken."""
    async with serving({"*": http(200, json.dumps(SAID).encode())}) as server:
        hosts = edgar.open_http(CONTACT, server.url)
        found = await Edgar(hosts, attempt).facts(320_193, "dei", "Shares", "shares")
        assert found == [Fact(date(2012, 4, 20), 935, ROW["accn"], "10-Q", date(2012, 4, 25))]  # type: ignore[arg-type]
        assert await Edgar(hosts, attempt).facts(320_193, "dei", "Shares", "pure") == []
        assert server.targets[0] == "/data/api/xbrl/companyconcept/CIK0000320193/dei/Shares.json"
        await hosts.aclose()


@pytest.mark.parametrize(
    "said",
    [
        SAID | {"cik": 1},
        SAID | {"cik": None},
        SAID | {"units": []},
        {},
        [],
        *(SAID | {"units": {"shares": [ROW | wrong]}} for wrong in (
            {"val": "935"}, {"val": None}, {"val": True}, {"val": float("nan")}, {"end": ""}, {"filed": "2012-02-30"},
            {"accn": "x"}, {"accn": None},
        )),
    ],
)  # fmt: skip
async def test_what_is_no_fact_is_refused(attempt: Attempt, said: Any) -> None:
    """MD-7: another company, another form, a figure that is none: the answer is refused as a whole."""
    async with serving({"*": http(200, json.dumps(said).encode())}) as server:
        hosts = edgar.open_http(CONTACT, server.url)
        with pytest.raises(Transient) as caught:
            await Edgar(hosts, attempt).facts(320_193, "dei", "Shares", "shares")
        await hosts.aclose()
    assert caught.value.code == "unexpected_answer"
