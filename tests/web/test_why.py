"""The API says why something is not fresh."""

from __future__ import annotations

import pytest

from tests.web.conftest import QUOTE, Site


async def test_every_gate_is_told(site: Site) -> None:
    """Issue 3, explain: the API answers with a verdict and each gate, also for a key of which nothing is known."""
    body = (await site.http.get("/api/v1/artifacts/quote/aapl/why")).json()
    assert (body["key"], body["state"], body["job"], body["expected_start"]) == ("AAPL", "missing", None, None)
    assert [gate["name"] for gate in body["gates"] if not gate["open"]] == ["demand", "workers"]
    await site.publish("quote", "AAPL", QUOTE)
    body = (await site.http.get("/api/v1/artifacts/quote/AAPL/why")).json()
    assert body["verdict"].startswith("Fresh until ")
    assert await site.count("demand") == await site.count("job") == 0


@pytest.mark.parametrize(
    ("path", "code"),
    [("quot/AAPL", "unknown_product"), ("quote/%24%24", "malformed_key"), ("a%00b/c", "unknown_product")],
)
async def test_bad_questions(site: Site, path: str, code: str) -> None:
    """Bad input: an unknown product or a malformed key is a 400 with its code."""
    answer = await site.http.get(f"/api/v1/artifacts/{path}/why")
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, code)
