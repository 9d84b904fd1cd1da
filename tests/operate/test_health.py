"""What an outside pinger, a load balancer and Prometheus are told, without signing in."""

from __future__ import annotations

import ast
import re
from datetime import timedelta
from pathlib import Path

import pytest

import openbell
import openbell.products
from openbell.engine.ledger import Limit
from openbell.engine.metrics import ABOUT
from openbell.people import add_person
from openbell.products import registry
from openbell.telemetry.tally import swallowed, swallowed_so_far
from tests.engine.hand import Hand, declare, per_minute, queue
from tests.engine.purse import buy
from tests.engine.test_schedules import chore, every, set_up
from tests.support import Clock
from tests.web.conftest import Site

LINE = re.compile(r'([a-z_]+)(?:\{((?:[a-z]+="[^"\n]*",?)+)\})? (-?[0-9.e+]+)')


async def test_readiness_needs_every_producer(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """PF-30: a producer that does not load is named and leaves the others; readiness is 503, liveness needs nothing."""
    (tmp_path / "torn.py").write_text("raise RuntimeError('key-of-nobody-4711')")
    monkeypatch.setattr(openbell.products, "__path__", [*openbell.products.__path__, str(tmp_path)])
    found = registry()
    assert found.broken == {"openbell.products.torn": "RuntimeError"}
    assert "quote" in found.products
    assert swallowed_so_far()["producers.load", "RuntimeError"]
    assert (await site.http.get("/readyz")).status_code == 200
    site.app.state.config.registry.broken.update(found.broken)
    answer = await site.http.get("/readyz")
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "producers_broken")
    assert "openbell.products.torn" in answer.text
    assert "4711" not in answer.text
    assert (await site.http.get("/livez")).status_code == 200
    assert (await site.http.get("/health")).status_code == 503


async def test_a_database_of_another_environment_is_not_served(site: Site) -> None:
    """Issue 9: a web process that was pointed at the database of another environment is not ready, and says why."""
    stamp = """insert into openbell.meta (key, value) values ('environment', to_jsonb($1::text))
               on conflict (key) do update set value = excluded.value"""
    await site.pool.execute(stamp, "development")
    assert (await site.http.get("/readyz")).status_code == 200
    await site.pool.execute(stamp, "production")
    answer = await site.http.get("/readyz")
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "other_environment")


async def test_health_tells_what_is_overdue(site: Site, clock: Clock) -> None:
    """PF-31: /health is 503 while a schedule is overdue, and names doubts, budgets, schedules and the last backup."""
    await set_up(site.pool, chore(), schedules=[every(max_late=timedelta(minutes=5))])
    await site.pool.execute("update openbell.schedule set next_at = openbell.now() + interval '1 minute'")
    hand = await Hand.hire(
        site.pool, declare(), limits=[Limit("shop", "usd_micro", "x", 1_000, closes="charge"), per_minute(9)]
    )
    await queue(site.pool, "a")
    (claim,) = await hand.claim()
    await buy(hand.attempt(claim).spends("shop"), "unknown", usd_micro=950)
    answer = await site.http.get("/health")
    checks = answer.json()["checks"]
    assert (answer.status_code, checks["spends:unknown"]) == (200, [{"observedValue": 1}])
    assert checks["schedules"][0]["status"] == "pass"
    assert checks["backup:last"] == [{"observedValue": None, "observedUnit": "s"}]
    assert [one["componentId"] for one in checks["money"] if one["componentId"].startswith("budget")]
    await clock.advance(minutes=7)
    answer = await site.http.get("/health")
    assert (answer.status_code, answer.json()["status"]) == (503, "fail")
    assert "nightly" in answer.json()["output"]
    assert [one["componentId"] for one in answer.json()["checks"]["freshness"]]


async def test_metrics(site: Site) -> None:
    """PF-35, PF-39: a scrape is well formed, of bounded labels and nobody's name; only this machine or a token may."""
    person = await add_person(site.pool, "jane@example.com", state="active", actor="test")
    hand = await Hand.hire(site.pool, declare(), limits=[per_minute(9)])
    await queue(site.pool, "a", f"{person.id}")
    await hand.claim()
    swallowed("test.here", ValueError("a secret"))
    answer = await site.http.get("/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    samples: dict[str, list[str]] = {}
    for line in answer.text.splitlines():
        if not line.startswith("#"):
            read = LINE.fullmatch(line)
            assert read, line
            samples.setdefault(read[1], []).append(read[2] or "")
    assert samples.keys() - {"openbell_up"} <= ABOUT.keys()
    assert 'class="interactive",state="waiting"' in samples["openbell_jobs"]
    assert 'type="ValueError",where="test.here"' in samples["openbell_swallowed_total"]
    assert all(len(set(found)) == len(found) for found in samples.values()), "no figure twice"
    assert len(samples["openbell_wanted_keys"]) == await site.pool.fetchval(
        "select count(*) from openbell.product where kind = 'artifact'"
    )
    assert "jane" not in answer.text
    assert "secret" not in answer.text
    through = {"X-Forwarded-For": "203.0.113.9"}
    assert (await site.http.get("/metrics", headers=through)).status_code == 403
    object.__setattr__(site.app.state.config, "metrics_token", "a-token-of-the-test")
    bearer = {"Authorization": "Bearer a-token-of-the-test"}
    assert (await site.http.get("/metrics", headers=through | bearer)).status_code == 200
    assert (
        await site.http.get("/metrics", params={"token": "a-token-of-the-test"}, headers=through)
    ).status_code == 403
    object.__setattr__(site.app.state.config, "metrics", "off")
    assert (await site.http.get("/metrics")).status_code == 404


BROAD = {"Exception", "BaseException", "DATABASE_ERRORS", "GONE", "PostgresError", "asyncpg.PostgresError"}
PASSED_ON = {
    ("engine/combiner.py", "_answer"): "goes to everybody who waits",
    ("engine/bundle.py", "_run_one"): "becomes the end of a job, which counts it",
    ("engine/runner.py", "produce"): "becomes the end of a job, which counts it",
    ("providers/page_reader.py", "article_of"): "a process of its own, which answers that there is no article",
}


def test_every_swallowed_error_is_counted() -> None:
    """PF-35: whatever catches errors of every kind and raises none counts it under a name of its own."""
    home = Path(openbell.__file__).parent
    silent = set()
    for floor in ("engine", "providers", "people", "mail", "products", "web", "telemetry"):
        for path in sorted((home / floor).rglob("*.py")):
            tree = ast.parse(path.read_text("utf-8"))
            for function in ast.walk(tree):
                if not isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
                    continue
                for node in ast.walk(function):
                    if isinstance(node, ast.ExceptHandler) and _is_silent(node):
                        silent.add((str(path.relative_to(home)), function.name))
    assert silent <= PASSED_ON.keys(), "count these: openbell.telemetry.tally.swallowed"
    assert PASSED_ON.keys() <= silent, "these are gone from the code"


def _is_silent(node: ast.ExceptHandler) -> bool:
    caught = {ast.unparse(one) for one in ast.walk(node.type)} if node.type is not None else {"BaseException"}
    inside = [one for statement in node.body for one in ast.walk(statement)]
    raises = any(isinstance(one, ast.Raise) for one in inside)
    counts = any(
        isinstance(one, ast.Call) and ast.unparse(one.func) in ("swallowed", "self._not_released") for one in inside
    )
    return bool(caught & BROAD) and not raises and not counts
