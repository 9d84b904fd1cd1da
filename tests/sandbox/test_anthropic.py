"""Anthropic on the wire: messages, streams, batches, money, faults (domain notes B3)."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from tests.sandbox.harness import Running
from tests.support import eventually

Json = dict[str, Any]
KEY = {"authorization": "Bearer sandbox", "anthropic-version": "2026-10-21"}
SCHEMA = {
    "type": "object",
    "properties": {"ticker": {"type": "string"}, "score": {"type": "integer", "minimum": 1, "maximum": 9}},
    "required": ["ticker", "score"],
}
TOOL = {"name": "final_result", "input_schema": SCHEMA}
PARAMS = {
    "model": "claude-haiku-5-5",
    "max_tokens": 1_000,
    "messages": [{"role": "user", "content": "Is IBM a buy?"}],
}
# What claude-haiku-5-5 costs, micro-dollars per token: 0.10 and 0.50 dollars per million.
INPUT, OUTPUT = 0.1, 0.5


async def post(sandbox: Running, path: str, body: Any) -> httpx.Response:
    return await sandbox.client.post(f"/anthropic/v1/{path}", json=body, headers=KEY)


async def ask(sandbox: Running, **params: Any) -> httpx.Response:
    return await post(sandbox, "messages", {**PARAMS, **params})


def events(body: str) -> list[Json]:
    return [json.loads(line[6:]) for line in body.splitlines() if line.startswith("data: {")]


class TestMessages:
    async def test_costs_by_tokens(self, sandbox: Running) -> None:
        """PF-21: tokens times the listed price is what is billed, a whole number of micro-dollars without rounding."""
        answer = await ask(sandbox)
        usage = answer.json()["usage"]
        cost = usage["input_tokens"] * INPUT + usage["output_tokens"] * OUTPUT
        assert cost == round(cost) == await sandbox.billed_usd_micro("anthropic") > 0
        assert answer.headers["request-id"].startswith("req_")
        assert answer.headers["x-data-class"].startswith("synthetic")

    async def test_cached_input(self, sandbox: Running) -> None:
        """B3: input from the cache is counted beside the rest, not in it."""
        await sandbox.fault("cached", provider="anthropic", amount=10, times=1)
        cached = (await ask(sandbox)).json()["usage"]
        plain = (await ask(sandbox)).json()["usage"]
        assert cached["cache_read_input_tokens"] == 10
        assert cached["input_tokens"] + 10 == plain["input_tokens"]

    async def test_either_key_header(self, sandbox: Running) -> None:
        """B3: the key may come as a bearer or as x-api-key; the version of the API is needed."""
        old = {"x-api-key": "sandbox", "anthropic-version": "2023-06-01"}
        assert (await sandbox.client.post("/anthropic/v1/messages", json=PARAMS, headers=old)).status_code == 200
        none = {"x-api-key": "sandbox"}
        assert (await sandbox.client.post("/anthropic/v1/messages", json=PARAMS, headers=none)).status_code == 400

    async def test_tool_and_schema(self, sandbox: Running) -> None:
        """B3: the output tool is called, forced or not; a native schema is answered in JSON."""
        for choice in ({"type": "auto"}, {"type": "any"}, {"type": "tool", "name": "final_result"}):
            found = (await ask(sandbox, tools=[TOOL], tool_choice=choice)).json()
            assert found["stop_reason"] == "tool_use"
            assert found["content"][0]["input"] == {"ticker": "IBM", "score": 5}
        form = {"format": {"type": "json_schema", "schema": SCHEMA}}
        native = (await ask(sandbox, output_config=form)).json()
        assert json.loads(native["content"][0]["text"]) == {"ticker": "IBM", "score": 5}

    async def test_too_few_tokens(self, sandbox: Running) -> None:
        """An answer that does not fit ends with max_tokens, and is billed."""
        assert (await ask(sandbox, max_tokens=20)).json()["stop_reason"] == "max_tokens"
        assert await sandbox.billed_usd_micro("anthropic") > 0

    async def test_stream(self, sandbox: Running) -> None:
        """B3: the same answer as a stream of events, text or the arguments of a tool."""
        plain = (await ask(sandbox)).json()
        streamed = events((await ask(sandbox, stream=True)).text)
        assert [streamed[0]["type"], streamed[-1]["type"]] == ["message_start", "message_stop"]
        deltas = [event["delta"] for event in streamed if event["type"] == "content_block_delta"]
        assert "".join(delta["text"] for delta in deltas) == plain["content"][0]["text"]
        assert streamed[-2]["usage"]["output_tokens"] == plain["usage"]["output_tokens"]
        called = events((await ask(sandbox, stream=True, tools=[TOOL])).text)
        parts = [event["delta"]["partial_json"] for event in called if event["type"] == "content_block_delta"]
        assert json.loads("".join(parts))["ticker"] == "IBM"

    async def test_count_and_models(self, sandbox: Running) -> None:
        """Counting tokens and listing models is free, and the count is that of the call."""
        body = {name: PARAMS[name] for name in ("model", "messages")}
        counted = (await post(sandbox, "messages/count_tokens", body)).json()
        assert counted["input_tokens"] == (await ask(sandbox)).json()["usage"]["input_tokens"]
        models = (await sandbox.client.get("/anthropic/v1/models", headers=KEY)).json()
        assert "claude-opus-5-5" in [model["id"] for model in models["data"]]
        assert [entry["billed"] for entry in await sandbox.entries("anthropic")] == [False, True, False]


class TestFaults:
    @pytest.mark.parametrize(
        ("kind", "status", "word"),
        [
            ("unauthorized", 401, "authentication_error"),
            ("permission_denied", 403, "permission_error"),
            ("rate_limited", 429, "rate_limit_error"),
            ("credit_too_low", 400, "invalid_request_error"),
            ("billing_error", 402, "billing_error"),
            ("spend_limit", 429, "rate_limit_error"),
            ("context_length", 400, "invalid_request_error"),
            ("model_not_found", 404, "not_found_error"),
            ("server_error", 500, "api_error"),
            ("overloaded", 529, "overloaded_error"),
        ],
    )
    async def test_refusals(self, sandbox: Running, kind: str, status: int, word: str) -> None:
        """B3: each refusal has its status and type, a request id, and is not billed."""
        await sandbox.fault(kind, provider="anthropic", times=1)
        answer = await ask(sandbox)
        body = answer.json()
        assert (answer.status_code, body["type"], body["error"]["type"]) == (status, "error", word)
        assert answer.headers["request-id"] == body["request_id"]
        assert await sandbox.billed_usd_micro("anthropic") == 0

    async def test_used_up_accounts(self, sandbox: Running) -> None:
        """B3: an exhausted account is told in words of a 400, or by a code in the details of a 429."""
        await sandbox.fault("credit_too_low", provider="anthropic", times=1)
        await sandbox.fault("spend_limit", provider="anthropic", times=1)
        low, limit = (await ask(sandbox)).json(), (await ask(sandbox)).json()
        assert "credit balance is too low" in low["error"]["message"]
        assert limit["error"]["details"] == {"error_code": "enforced_spend_limit_reached"}

    async def test_when_to_come_again(self, sandbox: Running) -> None:
        """A rate limit tells its time in seconds or in milliseconds."""
        await sandbox.fault("rate_limited", provider="anthropic", times=1, retry_after_s=12)
        await sandbox.fault("rate_limited_ms", provider="anthropic", times=1, retry_after_s=1.5)
        seconds, millis = await ask(sandbox), await ask(sandbox)
        assert (seconds.headers["retry-after"], millis.headers["retry-after-ms"]) == ("12", "1500")

    async def test_without_a_script(self, sandbox: Running) -> None:
        """A wrong key, an unknown model, a missing field and a prompt that is too long are refused by themselves."""
        headers = {**KEY, "authorization": "Bearer no"}
        wrong_key = await sandbox.client.post("/anthropic/v1/messages", json=PARAMS, headers=headers)
        assert wrong_key.status_code == 401
        assert (await ask(sandbox, model="claude-0")).status_code == 404
        assert (await ask(sandbox, max_tokens=None)).status_code == 400
        assert (await ask(sandbox, messages=[])).status_code == 400
        assert (await post(sandbox, "messages", [])).status_code == 400
        long = await ask(sandbox, messages=[{"role": "user", "content": "word " * 200_000}])
        assert (long.status_code, long.json()["error"]["message"][:18]) == (400, "prompt is too long")
        assert (await post(sandbox, "complete", {})).status_code == 404
        assert await sandbox.billed_usd_micro("anthropic") == 0

    async def test_error_in_the_stream(self, sandbox: Running) -> None:
        """A stream can break with an error after it began: HTTP 200, and billed."""
        await sandbox.fault("error_in_stream", provider="anthropic", times=1)
        assert events((await ask(sandbox, stream=True)).text)[-1]["error"]["type"] == "overloaded_error"
        assert await sandbox.billed_usd_micro("anthropic") > 0


class TestBatch:
    async def test_half_price(self, sandbox: Running) -> None:
        """PF-21: a batch answers each request as a direct call does, at half its price; errors are in their place."""
        direct = (await ask(sandbox)).json()
        full = await sandbox.billed_usd_micro("anthropic")
        batch = await made(sandbox, [PARAMS, {**PARAMS, "model": "claude-0"}])
        assert (batch["processing_status"], batch["results_url"]) == ("in_progress", None)
        ended = await end(sandbox, batch["id"])
        counts = {"processing": 0, "succeeded": 1, "errored": 1, "canceled": 0, "expired": 0}
        assert ended["request_counts"] == counts
        good, bad = [json.loads(line) for line in (await results(sandbox, ended)).splitlines()]
        assert good["result"]["message"]["content"] == direct["content"]
        assert bad["result"]["error"]["error"]["type"] == "not_found_error"
        assert await sandbox.billed_usd_micro("anthropic") - full == full / 2

    async def test_cut_off(self, sandbox: Running) -> None:
        """PF-21: a cancelled batch is billed for what it has answered, and tells of the rest."""
        await sandbox.fault("slow_run", provider="anthropic", seconds=600, times=1)
        batch = await made(sandbox, [PARAMS] * 4)
        assert await sandbox.billed_usd_micro("anthropic") > 0
        cancelled = (await post(sandbox, f"messages/batches/{batch['id']}/cancel", {})).json()
        assert cancelled["processing_status"] == "canceling"
        ended = await end(sandbox, batch["id"])
        assert ended["request_counts"]["canceled"] == 4
        assert await sandbox.billed_usd_micro("anthropic") == 0

    async def test_expires(self, sandbox: Running) -> None:
        """A batch may expire half done; only what was done is billed."""
        await sandbox.fault("batch_expired", provider="anthropic", times=1)
        batch = await made(sandbox, [PARAMS] * 4)
        ended = await end(sandbox, batch["id"])
        assert (ended["request_counts"]["succeeded"], ended["request_counts"]["expired"]) == (2, 2)
        [entry, *_] = await sandbox.entries("anthropic")
        assert entry["billed_calls"] == 2

    async def test_single_requests_go_wrong(self, sandbox: Running) -> None:
        """A fault can meet one request of a batch, which is then not billed."""
        path = "v1/messages/batches/line"
        await sandbox.fault("overloaded", provider="anthropic", path=path, match='"custom_id": "r1"')
        batch = await made(sandbox, [PARAMS] * 2)
        lines = [json.loads(line) for line in (await results(sandbox, await end(sandbox, batch["id"]))).splitlines()]
        assert [line["result"]["type"] for line in lines] == ["succeeded", "errored"]
        assert [entry["billed_calls"] for entry in await sandbox.entries("anthropic") if entry["billed"]] == [1]

    @pytest.mark.parametrize(
        "requests",
        [
            None,
            [],
            [{"custom_id": "a"}],
            [{"custom_id": "a", "params": 1}],
            [{"custom_id": "a", "params": {}}, {"custom_id": "a", "params": {}}],
        ],
    )
    async def test_requests_that_are_refused(self, sandbox: Running, requests: Any) -> None:
        """A batch needs requests, each with a name of its own and parameters."""
        answer = await post(sandbox, "messages/batches", {"requests": requests})
        assert (answer.status_code, answer.json()["error"]["type"]) == (400, "invalid_request_error")

    async def test_too_early_and_too_late(self, sandbox: Running) -> None:
        """Results are there when the batch has ended, and gone when it is deleted."""
        await sandbox.fault("slow_run", provider="anthropic", seconds=600, times=1)
        path = f"/anthropic/v1/messages/batches/{(await made(sandbox, [PARAMS]))['id']}"
        assert (await sandbox.client.get(f"{path}/results", headers=KEY)).status_code == 404
        assert (await sandbox.client.delete(path, headers=KEY)).status_code == 400
        await sandbox.clock(advance_s=601)
        assert (await sandbox.client.get(f"{path}/results", headers=KEY)).status_code == 200
        assert (await sandbox.client.delete(path, headers=KEY)).status_code == 200
        assert (await sandbox.client.get(path, headers=KEY)).status_code == 404
        assert (await sandbox.client.get("/anthropic/v1/messages/batches?limit=0", headers=KEY)).status_code == 400

    async def test_listing(self, sandbox: Running) -> None:
        """Batches are listed newest first, page by page."""
        batches = [(await made(sandbox, [PARAMS]))["id"] for _ in range(3)]
        first = (await sandbox.client.get("/anthropic/v1/messages/batches?limit=2", headers=KEY)).json()
        assert [one["id"] for one in first["data"]] == batches[:0:-1]
        rest = await sandbox.client.get(f"/anthropic/v1/messages/batches?after_id={first['last_id']}", headers=KEY)
        assert ([one["id"] for one in rest.json()["data"]], rest.json()["has_more"]) == (batches[:1], False)


async def made(sandbox: Running, params: list[Json]) -> Json:
    requests = [{"custom_id": f"r{number}", "params": one} for number, one in enumerate(params)]
    answer = await post(sandbox, "messages/batches", {"requests": requests})
    assert answer.status_code == 200, answer.text
    found: Json = answer.json()
    return found


async def end(sandbox: Running, identifier: str) -> Json:
    async def ended() -> Json | None:
        found = (await sandbox.client.get(f"/anthropic/v1/messages/batches/{identifier}", headers=KEY)).json()
        return found if found["processing_status"] == "ended" else None

    return await eventually(ended)  # type: ignore[arg-type, return-value]


async def results(sandbox: Running, batch: Json) -> str:
    return (await sandbox.client.get(batch["results_url"], headers=KEY)).text
