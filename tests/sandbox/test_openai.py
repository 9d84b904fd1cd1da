"""OpenAI on the wire: chat, responses, streams, batches, money, faults (domain notes B3)."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from tests.sandbox.harness import Running
from tests.support import eventually

Json = dict[str, Any]
KEY = {"authorization": "Bearer sandbox"}
SCHEMA = {
    "type": "object",
    "properties": {"ticker": {"type": "string"}, "side": {"enum": ["buy", "hold"]}},
    "required": ["ticker", "side"],
}
TOOL = {"type": "function", "function": {"name": "final_result", "parameters": SCHEMA}}
# What gpt-6-luna costs, micro-dollars per token: 0.10 and 0.50 dollars per million.
INPUT, OUTPUT = 0.1, 0.5


async def post(sandbox: Running, path: str, body: Any) -> httpx.Response:
    return await sandbox.client.post(f"/openai/v1/{path}", json=body, headers=KEY)


async def chat(sandbox: Running, **body: Any) -> httpx.Response:
    messages = [{"role": "user", "content": "Is IBM a buy?"}]
    return await post(sandbox, "chat/completions", {"model": "gpt-6-luna", "messages": messages, **body})


async def respond(sandbox: Running, **body: Any) -> Json:
    answer = await post(sandbox, "responses", {"model": "gpt-6-luna", "input": "Is IBM a buy?", **body})
    assert answer.status_code == 200, answer.text
    found: Json = answer.json()
    return found


def events(body: str) -> list[Json]:
    return [json.loads(line[6:]) for line in body.splitlines() if line.startswith("data: {")]


class TestChat:
    async def test_costs_by_tokens(self, sandbox: Running) -> None:
        """PF-21: tokens times the listed price is what is billed, a whole number of micro-dollars without rounding."""
        usage = (await chat(sandbox)).json()["usage"]
        assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]
        cost = usage["prompt_tokens"] * INPUT + usage["completion_tokens"] * OUTPUT
        assert cost == round(cost) == await sandbox.billed_usd_micro("openai") > 0

    async def test_cached_input_is_cheaper(self, sandbox: Running) -> None:
        """B3: input tokens from the cache are told, and cost a tenth."""
        await sandbox.fault("cached", provider="openai", amount=20, times=1)
        usage = (await chat(sandbox)).json()["usage"]
        assert usage["prompt_tokens_details"]["cached_tokens"] == 20
        full = usage["prompt_tokens"] * INPUT + usage["completion_tokens"] * OUTPUT
        assert await sandbox.billed_usd_micro("openai") == -(-(full * 100 - 180) // 100)

    async def test_forced_tool(self, sandbox: Running) -> None:
        """B3: the output tool is called with arguments that its schema allows, forced or not."""
        for choice in ("required", "auto", {"type": "function", "function": {"name": "final_result"}}):
            [found] = (await chat(sandbox, tools=[TOOL], tool_choice=choice)).json()["choices"]
            call = found["message"]["tool_calls"][0]
            assert (found["finish_reason"], call["function"]["name"]) == ("tool_calls", "final_result")
            given = json.loads(call["function"]["arguments"])
            assert (given["ticker"], given["side"] in ("buy", "hold")) == ("IBM", True)

    async def test_native_schema(self, sandbox: Running) -> None:
        """B3: a native schema is answered with JSON text."""
        form = {"type": "json_schema", "json_schema": {"name": "pick", "schema": SCHEMA, "strict": True}}
        [found] = (await chat(sandbox, response_format=form)).json()["choices"]
        assert json.loads(found["message"]["content"])["ticker"] == "IBM"
        assert found["finish_reason"] == "stop"

    async def test_too_few_tokens(self, sandbox: Running) -> None:
        """An answer that does not fit ends with `length`, and is billed."""
        [found] = (await chat(sandbox, max_completion_tokens=20)).json()["choices"]
        assert found["finish_reason"] == "length"
        assert await sandbox.billed_usd_micro("openai") > 0

    async def test_stream(self, sandbox: Running) -> None:
        """B3: the same answer as a stream, with its usage at the end when that is asked for."""
        plain = (await chat(sandbox)).json()
        streamed = await chat(sandbox, stream=True, stream_options={"include_usage": True})
        assert streamed.headers["content-type"].startswith("text/event-stream")
        chunks = events(streamed.text)
        text = "".join(choice["delta"].get("content") or "" for chunk in chunks for choice in chunk["choices"])
        assert text == plain["choices"][0]["message"]["content"]
        assert (chunks[-1]["choices"], chunks[-1]["usage"]) == ([], plain["usage"])
        assert streamed.text.endswith("data: [DONE]\n\n")

    async def test_error_in_the_stream(self, sandbox: Running) -> None:
        """A stream can break with an error after it began: HTTP 200, and billed."""
        await sandbox.fault("error_in_stream", provider="openai", times=1)
        streamed = await chat(sandbox, stream=True)
        assert events(streamed.text)[-1]["error"]["code"] == "server_is_overloaded"
        assert await sandbox.billed_usd_micro("openai") > 0


class TestResponses:
    async def test_at_once(self, sandbox: Running) -> None:
        """B3: a response carries text or the call of the output tool, and is billed by its tokens."""
        plain = await respond(sandbox)
        assert (plain["status"], plain["output"][0]["content"][0]["type"]) == ("completed", "output_text")
        tool = {"type": "function", "name": "final_result", "parameters": SCHEMA}
        called = await respond(sandbox, tools=[tool], tool_choice="required")
        assert json.loads(called["output"][0]["arguments"])["ticker"] == "IBM"
        form = {"format": {"type": "json_schema", "name": "pick", "schema": SCHEMA}}
        native = await respond(sandbox, text=form)
        assert json.loads(native["output"][0]["content"][0]["text"])["ticker"] == "IBM"
        usages = [one["usage"] for one in (plain, called, native)]
        cost = sum(usage["input_tokens"] * INPUT + usage["output_tokens"] * OUTPUT for usage in usages)
        assert await sandbox.billed_usd_micro("openai") == cost

    async def test_background(self, sandbox: Running) -> None:
        """B3: a background response is polled by its id."""
        begun = await respond(sandbox, background=True)
        assert (begun["status"], begun["output"], begun["usage"]) == ("queued", [], None)

        async def done() -> Json | None:
            found = (await sandbox.client.get(f"/openai/v1/responses/{begun['id']}", headers=KEY)).json()
            return found if found["status"] == "completed" else None

        assert (await eventually(done))["output"]  # type: ignore[arg-type]

    async def test_cancelled(self, sandbox: Running) -> None:
        """A cancelled background response is not billed."""
        await sandbox.fault("slow_run", provider="openai", seconds=600, times=1)
        begun = await respond(sandbox, background=True)
        cancelled = (await post(sandbox, f"responses/{begun['id']}/cancel", {})).json()
        assert (cancelled["status"], await sandbox.billed_usd_micro("openai")) == ("cancelled", 0)
        direct = await respond(sandbox)
        assert (await post(sandbox, f"responses/{direct['id']}/cancel", {})).status_code == 400

    async def test_failed_and_lost(self, sandbox: Running) -> None:
        """A response can fail in a 200, end incomplete, or be billed and not be found."""
        await sandbox.fault("failed", provider="openai", times=1)
        await sandbox.fault("length", provider="openai", times=1)
        await sandbox.fault("lost", provider="openai", times=1)
        failed, short, lost = [await respond(sandbox) for _ in range(3)]
        assert (failed["status"], failed["error"]["code"], failed["usage"]) == ("failed", "server_error", None)
        assert (short["status"], short["incomplete_details"]) == ("incomplete", {"reason": "max_output_tokens"})
        assert (await sandbox.client.get(f"/openai/v1/responses/{lost['id']}", headers=KEY)).status_code == 404
        billed = [entry["billed_usd_micro"] > 0 for entry in await sandbox.entries("openai")]
        assert billed[:3] == [False, True, True]


class TestFaults:
    @pytest.mark.parametrize(
        ("kind", "status", "code"),
        [
            ("unauthorized", 401, "invalid_api_key"),
            ("rate_limited", 429, "rate_limit_exceeded"),
            ("insufficient_quota", 429, "insufficient_quota"),
            ("billing_hard_limit_reached", 429, "billing_hard_limit_reached"),
            ("credit_balance_exhausted", 429, "credit_balance_exhausted"),
            ("organization_spend_limit_exceeded", 429, "organization_spend_limit_exceeded"),
            ("project_spend_limit_exceeded", 429, "project_spend_limit_exceeded"),
            ("context_length", 400, "context_length_exceeded"),
            ("model_not_found", 404, "model_not_found"),
            ("server_error", 500, None),
            ("overloaded", 503, "server_is_overloaded"),
        ],
    )
    async def test_refusals(self, sandbox: Running, kind: str, status: int, code: str | None) -> None:
        """B3: each refusal has its status and code, and is not billed."""
        await sandbox.fault(kind, provider="openai", times=1)
        answer = await chat(sandbox)
        assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)
        assert "retry-after" not in answer.headers
        assert await sandbox.billed_usd_micro("openai") == 0

    async def test_when_to_come_again(self, sandbox: Running) -> None:
        """B3: a rate limit tells its time in seconds or in milliseconds."""
        await sandbox.fault("rate_limited", provider="openai", times=1, retry_after_s=12)
        await sandbox.fault("rate_limited_ms", provider="openai", times=1, retry_after_s=1.5)
        seconds, millis = await chat(sandbox), await chat(sandbox)
        assert (seconds.headers["retry-after"], "retry-after-ms" in seconds.headers) == ("12", False)
        assert (millis.headers["retry-after-ms"], "retry-after" in millis.headers) == ("1500", False)

    async def test_without_a_script(self, sandbox: Running) -> None:
        """A wrong key, an unknown model, a prompt that is too long and nonsense are refused by themselves."""
        wrong_key = await sandbox.client.get("/openai/v1/models", headers={"authorization": "Bearer no"})
        assert (wrong_key.status_code, wrong_key.json()["error"]["code"]) == (401, "invalid_api_key")
        assert (await chat(sandbox, model="gpt-0")).json()["error"]["code"] == "model_not_found"
        long = await chat(sandbox, messages=[{"role": "user", "content": "word " * 200_000}])
        assert (long.status_code, long.json()["error"]["code"]) == (400, "context_length_exceeded")
        assert (await post(sandbox, "chat/completions", {"model": "gpt-6-luna"})).status_code == 400
        assert (await post(sandbox, "chat/completions", [])).status_code == 400
        assert (await post(sandbox, "completions", {})).status_code == 404
        assert await sandbox.billed_usd_micro("openai") == 0

    async def test_bad_answers(self, sandbox: Running) -> None:
        """Cut JSON, the wrong shape, prose instead of the tool, nothing at all: each is billed."""
        kinds = ("bad_json", "wrong_schema", "prose", "empty")
        for kind in kinds:
            await sandbox.fault(kind, provider="openai", times=1)
        answers = [(await chat(sandbox, tools=[TOOL])).json()["choices"][0]["message"] for _ in kinds]
        with pytest.raises(ValueError, match=r"Unterminated|Expecting"):
            json.loads(answers[0]["tool_calls"][0]["function"]["arguments"])
        assert "ticker" not in answers[1]["tool_calls"][0]["function"]["arguments"]
        assert ["tool_calls" in answer for answer in answers] == [True, True, False, False]
        assert answers[3]["content"] == ""
        assert all(entry["billed_usd_micro"] > 0 for entry in await sandbox.entries("openai"))


class TestBatch:
    async def test_half_price(self, sandbox: Running) -> None:
        """PF-21: a batch answers each line as a direct call does, at half its price."""
        body = {"model": "gpt-6-luna", "messages": [{"role": "user", "content": "Is IBM a buy?"}]}
        direct = (await post(sandbox, "chat/completions", body)).json()
        full = await sandbox.billed_usd_micro("openai")
        batch = await run_batch(sandbox, [body, {**body, "model": "gpt-0"}])
        assert batch["request_counts"] == {"total": 2, "completed": 1, "failed": 1}
        [good] = await lines(sandbox, batch["output_file_id"])
        assert good["response"]["body"]["choices"] == direct["choices"]
        [bad] = await lines(sandbox, batch["error_file_id"])
        assert (bad["custom_id"], bad["response"]["status_code"]) == ("line-1", 404)
        assert await sandbox.billed_usd_micro("openai") - full == full // 2 == full / 2

    async def test_keys_are_not_known_here(self, sandbox: Running) -> None:
        """Nobody has documented an idempotency key for these batches: a repeat makes another one."""
        body = {"model": "gpt-6-luna", "messages": [{"role": "user", "content": "x"}]}
        first, second = await run_batch(sandbox, [body]), await run_batch(sandbox, [body])
        assert first["id"] != second["id"]


async def run_batch(sandbox: Running, bodies: list[Json]) -> Json:
    content = "\n".join(
        json.dumps({"custom_id": f"line-{n}", "method": "POST", "url": "/v1/chat/completions", "body": body})
        for n, body in enumerate(bodies)
    )
    files = {"file": ("in.jsonl", content.encode())}
    file = await sandbox.client.post("/openai/v1/files", files=files, data={"purpose": "batch"}, headers=KEY)
    request = {"input_file_id": file.json()["id"], "endpoint": "/v1/chat/completions", "completion_window": "24h"}
    headers = {**KEY, "idempotency-key": "the same"}
    made = (await sandbox.client.post("/openai/v1/batches", json=request, headers=headers)).json()

    async def done() -> Json | None:
        found = (await sandbox.client.get(f"/openai/v1/batches/{made['id']}", headers=KEY)).json()
        return found if found["status"] == "completed" else None

    return await eventually(done)  # type: ignore[arg-type, return-value]


async def lines(sandbox: Running, identifier: str) -> list[Json]:
    answer = await sandbox.client.get(f"/openai/v1/files/{identifier}/content", headers=KEY)
    return [json.loads(line) for line in answer.text.splitlines()]
