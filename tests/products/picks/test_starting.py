"""A fresh install: nobody has looked at anything, nothing is paid for picks, and there is a page of figures."""

from __future__ import annotations

from itertools import islice
from typing import Any

import asyncpg

from openbell.engine.enqueue import enqueue
from openbell.engine.registry import CLASSES
from openbell.products import registry
from openbell.products.context import contexts
from openbell.products.picks.config import PicksConfig
from openbell.products.picks.reading import look
from openbell.products.picks.starting import picks_start
from openbell.products.picks.words import Kind
from openbell.products.sources import Connections, Source
from openbell.sandbox.companies import COMPANIES
from tests.sandbox.harness import Running
from tests.support import eventually


async def test_a_fresh_install_has_figures(
    pool: asyncpg.Pool, sandbox: Running, opened: list[Connections], employ: Any
) -> None:
    """PK-22: from nothing, the starter companies are asked for in the background, and figures are the edition."""
    source = Source(sandbox.url, key="sandbox", plan="premium", calls_per_minute=10_000)
    connections = Connections({"fmp": source}, picks=PicksConfig(companies=tuple(islice(COMPANIES, 20))))
    opened.append(connections)
    products = registry()
    names = ("profile", "eod-prices", "ratios-ttm", "picks-start", "picks-figures")
    view = await look(pool, None, enabled=False)
    assert view.edition is not None
    assert view.edition.kind is Kind.STATIC
    await employ(
        *(products.get(name) for name in names), limits=connections.limits, context=contexts(connections), slots=8
    )
    await enqueue(pool, picks_start, [("GLOBAL", None)])

    async def made() -> bool:
        await pool.execute("update openbell.job set parked_until = openbell.now() where parked_until > openbell.now()")
        view = await look(pool, None, enabled=False)
        return view.edition is not None and view.edition.kind is Kind.FIGURES and view.is_own_week

    await eventually(made, 60)
    fetched = "select distinct job_class from openbell.job_history where product = 'profile'"
    assert [row["job_class"] for row in await pool.fetch(fetched)] == [CLASSES["background"]]
