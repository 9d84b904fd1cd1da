"""`openbell reference`, `openbell digest` and `openbell digests`, against a database that `DATABASE_URL` names."""

from __future__ import annotations

import json
from pathlib import Path

import asyncpg

from openbell.products import registry
from tests.cli.house import openbell

HEAD = "ticker,name,cik,aliases,industry,competitors,upstream,downstream\n"


async def test_reference_data_from_the_terminal(dsn: str, pool: asyncpg.Pool, tmp_path: Path) -> None:
    """DG-35: imported, exported, imported again without a change; a bad file changes nothing and says where."""
    code, out, err = await openbell(dsn, "reference", "import", "--starter")
    assert (code, out, err) == (0, "starter: 50 tickers added, 0 changed, 0 as they were.\n", "")
    file = tmp_path / "all.csv"
    assert (await openbell(dsn, "reference", "export", str(file)))[0] == 0
    code, out, _ = await openbell(dsn, "reference", "import", str(file), "--json")
    assert (code, json.loads(out)) == (0, {"added": 0, "changed": 0, "unchanged": 50})
    bad = tmp_path / "bad.csv"
    bad.write_text(HEAD + "ZZZ,Zed,,,,,,\nA B,Broken,,,,,,\n")
    code, out, err = await openbell(dsn, "reference", "import", str(bad))
    assert (code, out) == (2, "")
    assert "Nothing was imported" in err
    assert "line 3" in err
    code, out, _ = await openbell(dsn, "reference", "list", "--json")
    assert len(json.loads(out)) == 50
    assert (await openbell(dsn, "reference", "import"))[0] == 2


async def test_digests_from_the_terminal(dsn: str, pool: asyncpg.Pool) -> None:
    """Issue 6: an unknown ticker says what to do; a wait that ends first is code 4; the policy is shown and set."""
    await registry().seed(pool)
    code, _, err = await openbell(dsn, "digest", "AAPL", "--wait", "0")
    assert (code, "openbell reference import" in err, "--starter" in err) == (2, True, True)
    await openbell(dsn, "reference", "import", "--starter")
    code, _, err = await openbell(dsn, "digest", "AAPL", "--date", "2026-11-24", "--wait", "0")
    assert code == 4, err
    row = await pool.fetchrow("select key, job_class from openbell.job where product = 'digest'")
    assert row is not None
    assert (row["key"], row["job_class"]) == ("AAPL|daily|2026-11-24", 0)
    code, out, _ = await openbell(dsn, "digests", "policy", "--pages-per-day", "7", "--approval", "manual", "--json")
    said = json.loads(out)
    assert (code, said["pages_per_day"], said["approval"], said["quiet"]) == (0, 7, "manual", "short")
    code, _, err = await openbell(dsn, "digests", "policy", "--zone", "Mars/Olympus")
    assert (code, "no time zone" in err) == (2, True)
    for name in ("list", "feeds", "pages"):
        code, out, err = await openbell(dsn, "digests", name, "--json")
        assert (code, err) == (0, "")
        assert isinstance(json.loads(out), list)
        assert (await openbell(dsn, "digests", name))[0] == 0
