"""The builder's guide: its file, as it stands there, is found like any other and makes its type in the sandbox."""

from __future__ import annotations

import importlib
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest

import openbell.products
from openbell.engine.artifacts import read
from openbell.engine.registry import Product, Registry
from openbell.products import registry
from openbell.products.context import contexts
from openbell.products.sources import Connections, Source, limits_of
from openbell.web.sections import MORE, layout_of
from tests.engine.conftest import Employ, employ  # noqa: F401 - fixture
from tests.engine.hand import queue
from tests.sandbox.conftest import sandbox, start  # noqa: F401 - fixtures
from tests.sandbox.harness import Running
from tests.support import eventually

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "docs" / "adding-a-data-type.md").read_text("utf-8")
BLOCK = re.search(r"^```python\n(.*?)^```", GUIDE, re.MULTILINE | re.DOTALL)
MODULE = "openbell.products.guided.earnings_surprises"


@pytest.fixture
def one_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Registry]:
    """The registry as it is when the guide's file lies in a folder below products, and nothing else is changed."""
    assert BLOCK is not None
    folder = tmp_path / "guided"
    folder.mkdir()
    (folder / "__init__.py").touch()
    (folder / "earnings_surprises.py").write_text(BLOCK[1], "utf-8")
    monkeypatch.setattr(openbell.products, "__path__", [*openbell.products.__path__, str(tmp_path)])
    importlib.invalidate_caches()
    yield registry()
    for name in [name for name in sys.modules if name.startswith("openbell.products.guided")]:
        del sys.modules[name]


async def test_the_guide_s_file_is_a_data_type(
    one_file: Registry,
    pool: asyncpg.Pool,
    sandbox: Running,  # noqa: F811
    employ: Employ,  # noqa: F811
) -> None:
    """MD-1: one file, and the type is found, made, stored, counted, in SQL and on the page; nothing else is touched."""
    one = one_file.get("earnings-surprises")
    assert isinstance(one, Product)
    assert one.producer.__module__ == MODULE
    assert "earnings-surprises" in layout_of(one_file)[MORE][1]
    sources = {"fmp": Source(sandbox.url, key="sandbox", plan="premium")}
    connections = Connections(sources)
    await employ(one, limits=limits_of(sources), context=contexts(connections))
    await queue(pool, "AAPL", "NOPE", name=one.name)

    async def over() -> bool:
        return all([(await read(pool, one.name, key)).state in ("fresh", "empty") for key in ("AAPL", "NOPE")])

    await eventually(over)
    value = (await read(pool, one.name, "AAPL")).value
    assert len(value["rows"]) > 40
    assert value["rows"][-1]["eps_actual"] is None, "what is not out yet is nothing, not 0"
    assert (await read(pool, one.name, "NOPE")).state == "empty"
    rows = await pool.fetchval("select count(*) from data.earnings_surprises_rows where key = 'AAPL'")
    assert rows == len(value["rows"])
    assert await pool.fetchval("select count(*) from openbell.spend where product = $1", one.name) == 2
    await connections.close()


def test_what_the_guide_names_is_there() -> None:
    """Every file that it sends a builder to is there."""
    named = set(re.findall(r"`((?:[a-z]+/)*[a-z_]+\.py)`", GUIDE))
    assert {"fields.py", "providers/fmp/companies.py", "sec_outstanding_shares.py"} <= named
    known = {path.relative_to(ROOT).as_posix() for folder in ("src", "tests") for path in (ROOT / folder).rglob("*.py")}
    missing = {name for name in named if not any(f"/{path}".endswith(f"/{name}") for path in known)}
    assert missing - {"src/openbell/products/market/earnings_surprises.py"} == set()
    for name in re.findall(r"\]\(([a-z-]+\.md)\)", GUIDE):
        assert (ROOT / "docs" / name).exists(), name
