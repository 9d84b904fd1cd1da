"""From feeds to pinned inputs, against the sandbox."""

from __future__ import annotations

from collections import Counter

import pytest

from openbell.engine.errors import Waiting
from tests.products.digest.newsroom import Newsroom
from tests.support import Clock


async def test_a_ticker_without_any_model_or_key_gets_inputs(newsroom: Newsroom) -> None:
    """DG-3, DG-11: feeds are read, articles chosen, found, read and summed up; each ends with exactly one outcome."""
    inputs = await newsroom.gather(edition="weekly")
    assert (inputs.feeds, inputs.feeds_failed, inputs.scorers) == (8, 0, ["titles"])
    assert len(inputs.articles) > 15
    assert len(inputs.candidates) == len({one.id for one in inputs.candidates}) > 200
    assert inputs.outcomes == dict(Counter(one.outcome for one in inputs.candidates))
    assert {one.id for one in inputs.articles} == {one.id for one in inputs.candidates if one.outcome == "used"}
    assert all(one.summary and one.summary_by == "extractive" and one.synthetic for one in inputs.articles)
    assert not any("/rss/articles/" in one.url for one in inputs.articles), "links of the aggregator were resolved"
    titles = [one.title.lower() for one in inputs.articles]
    assert not [one for one in titles if "pie" in one or "orchard" in one], "DG-12: an apple is not Apple"
    rows = await newsroom.pool.fetch("select outcome, count(*) as n from openbell.digest_verdict group by 1")
    assert {row["outcome"]: row["n"] for row in rows} == inputs.outcomes


async def test_inputs_are_pinned(newsroom: Newsroom) -> None:
    """DG-2: made again, a digest is made of the same, whatever has been published since; nothing is asked for."""
    first = await newsroom.gather()
    await newsroom.pool.execute("update openbell.digest_article set title = 'changed', summary = 'changed'")
    spends = await newsroom.pool.fetchval("select count(*) from openbell.spend")
    again = await newsroom.gather()
    assert again == first
    assert await newsroom.pool.fetchval("select count(*) from openbell.spend") == spends


async def test_an_outage_of_the_news_makes_no_quiet_day(newsroom: Newsroom, clock: Clock) -> None:
    """DG-6, DG-39: where most feeds of a ticker fail, they are looked at once more, a little later; then they count."""
    control = newsroom.sandbox.client
    (await control.post("/_control/faults", json={"provider": "news", "kind": "reset"})).raise_for_status()
    with pytest.raises(Waiting, match="waiting until"):
        await newsroom.gather("IBM", job="outage")
    (await control.delete("/_control/faults")).raise_for_status()
    await newsroom.pool.execute("delete from openbell.breaker")
    await clock.advance(minutes=17)
    found = await newsroom.gather("IBM", job="outage")
    assert found.articles
    assert found.feeds_failed == 0
