"""The Agent API on the wire: bodies, runs, money, faults (domain notes B2)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.sandbox.harness import Running, Start
from tests.support import eventually

Json = dict[str, Any]
KEY = {"authorization": "Bearer sandbox"}
SCHEMA = {
    "type": "json_schema",
    "json_schema": {
        "name": "picks",
        "schema": {
            "type": "object",
            "properties": {
                "picks": {
                    "type": "array",
                    "minItems": 4,
                    "maxItems": 4,
                    "items": {
                        "type": "object",
                        "properties": {"ticker": {"type": "string"}, "company": {"type": "string"}},
                        "required": ["ticker", "company"],
                    },
                }
            },
            "required": ["picks"],
        },
    },
}


async def post(sandbox: Running, path: str, body: Any, **headers: str) -> httpx.Response:
    return await sandbox.client.post(f"/perplexity/{path}", json=body, headers={**KEY, **headers})


async def get(sandbox: Running, path: str, **params: str) -> httpx.Response:
    return await sandbox.client.get(f"/perplexity/{path}", params=params, headers=KEY)


async def ask(sandbox: Running, **body: Any) -> Json:
    """A create call that must be accepted."""
    answer = await post(sandbox, "v1/agent", {"input": "Which of IBM and FB?", "effort": "low", **body})
    assert answer.status_code == 200, answer.text
    assert answer.headers["x-data-class"].startswith("synthetic")
    found: Json = answer.json()
    return found


async def ended(sandbox: Running, identifier: str) -> Json:
    """The run as soon as it has ended."""

    async def run() -> Json | None:
        found: Json = (await get(sandbox, f"v1/responses/{identifier}")).json()
        return None if found["status"] in ("queued", "in_progress") else found

    return await eventually(run)  # type: ignore[arg-type, return-value]


def micro(run: Json) -> int:
    return round(run["usage"]["cost"]["total_cost"] * 1_000_000)


def text(run: Json) -> str:
    return "".join(part["text"] for item in run["output"] if item["type"] == "message" for part in item["content"])


class TestBody:
    @pytest.mark.parametrize("name", ["metadata", "max_tool_calls", "messages", "text"])
    async def test_unknown_field(self, sandbox: Running, name: str) -> None:
        """B2: an unknown field is the documented 400, and costs nothing."""
        answer = await post(sandbox, "v1/agent", {"input": "x", "effort": "fast", name: {}})
        message = f'invalid request body: json: unknown field "{name}"'
        error = {"message": message, "type": "invalid_request", "code": 400, "param": name}
        assert (answer.status_code, answer.json()) == (400, {"error": error})
        assert await sandbox.billed_usd_micro("perplexity") == 0

    @pytest.mark.parametrize(
        ("body", "param"),
        [
            ({"model": "sonar"}, "model"),
            ({"model": "nobody/nothing"}, "model"),
            ({"models": ["perplexity/sonar"] * 6}, "models"),
            ({"model": "anthropic/claude-haiku-5-5"}, "max_output_tokens"),
            ({"effort": "extreme"}, "effort"),
            ({"effort": "fast@tomorrow"}, "effort"),
            ({}, "model"),
            ({"effort": "fast", "input": ""}, "input"),
            ({"effort": "fast", "max_steps": 101}, "max_steps"),
            ({"effort": "fast", "stream": "yes"}, "stream"),
            ({"effort": "fast", "tools": [{"type": "web_search", "site": "x"}]}, "site"),
            ({"effort": "fast", "tools": [{"type": "crystal_ball"}]}, "tools"),
            ({"effort": "fast", "tools": [{"type": "web_search", "filters": {"domain": []}}]}, "domain"),
            ({"effort": "fast", "response_format": {"type": "text"}}, "response_format"),
            ({"effort": "fast", "previous_response_id": "resp_no"}, "previous_response_id"),
        ],
    )
    async def test_what_else_is_refused(self, sandbox: Running, body: Json, param: str) -> None:
        """B2: a bare model name, too many models, a missing limit, an unknown level or tool are 400 and name it."""
        answer = await post(sandbox, "v1/responses", {"input": "x", **body})
        assert (answer.status_code, answer.json()["error"]["param"]) == (400, param)

    async def test_no_json(self, sandbox: Running) -> None:
        """A body that is no JSON object is a 400."""
        for content in (b"{", b"[]", b""):
            answer = await sandbox.client.post("/perplexity/v1/agent", content=content, headers=KEY)
            assert answer.status_code == 400

    @pytest.mark.parametrize("effort", ["fast", "low", "medium", "high", "xhigh", "fast@2026-10-16.0"])
    async def test_efforts(self, sandbox: Running, effort: str) -> None:
        """B2: every level and a pinned one is accepted and told again in the answer, with the model behind it."""
        run = await ask(sandbox, effort=effort)
        assert (run["effort"], run["status"], run["object"]) == (effort, "completed", "response")
        assert "/" in run["model"]
        assert run["id"].startswith("resp_")


class TestRun:
    async def test_costs(self, sandbox: Running) -> None:
        """PF-21: the cost block adds up, and its total is what the ledger bills, to the micro-dollar."""
        tools = [{"type": "web_search"}, {"type": "fetch_url"}, {"type": "finance_search"}]
        runs = [await ask(sandbox), await ask(sandbox, effort="xhigh"), await ask(sandbox, tools=tools)]
        for run in runs:
            cost = run["usage"]["cost"]
            parts = [cost[f"{part}_cost"] for part in ("input", "output", "cache_creation", "cache_read", "tool_calls")]
            assert round(sum(parts) * 1_000_000) == micro(run)
            details = run["usage"]["tool_calls_details"].values()
            assert round(sum(tool["cost_usd"] for tool in details) * 1_000_000) == round(cost["tool_calls_cost"] * 1e6)
            assert run["usage"]["total_tokens"] == run["usage"]["input_tokens"] + run["usage"]["output_tokens"]
        assert await sandbox.billed_usd_micro("perplexity") == sum(map(micro, runs))
        assert micro(runs[1]) > 2_000_000

    async def test_price_of_a_plain_search(self, sandbox: Running) -> None:
        """B2: sonar is 0.25 and 2.50 dollars per million tokens, a search 0.0025 dollars."""
        run = await ask(sandbox, effort="fast")
        usage = run["usage"]
        dollars = usage["input_tokens"] * 0.25e-6 + usage["output_tokens"] * 2.5e-6 + 0.0025
        assert micro(run) == round(dollars * 1_000_000)

    async def test_same_input_same_answer(self, sandbox: Running) -> None:
        """Answers are deterministic from the input; only ids differ."""
        first, second = await ask(sandbox), await ask(sandbox)
        assert text(first) == text(second)
        assert first["usage"] == second["usage"]
        assert first["id"] != second["id"]
        assert "ynthetic" in text(first)

    async def test_bare_model_does_not_search(self, sandbox: Running) -> None:
        """B2: a model without tools looks nothing up; with the search tool it does, on the hosts it may."""
        bare = await ask(sandbox, effort=None, model="perplexity/sonar")
        assert [item["type"] for item in bare["output"]] == ["message"]
        search = {"type": "web_search", "filters": {"search_domain_filter": ["sec.gov"]}}
        found = await ask(sandbox, effort=None, model="perplexity/sonar", tools=[search])
        results = found["output"][0]["results"]
        assert found["output"][0]["type"] == "search_results"
        assert results
        assert all(result["url"].startswith("https://sec.gov/") for result in results)
        assert found["usage"]["tool_calls_details"]["web_search"]["invocation"] == 1

    async def test_structured_output(self, sandbox: Running) -> None:
        """A schema is answered with JSON that is valid by it; picks are the sandbox's companies, each once."""
        run = await ask(sandbox, response_format=SCHEMA)
        picks = json.loads(text(run))["picks"]
        assert len(picks) == 4
        assert [pick["ticker"] for pick in picks][:2] == ["IBM", "FB"]
        assert len({pick["ticker"] for pick in picks}) == 4
        assert picks[0]["company"].startswith("International Business")

    async def test_too_short_for_the_answer(self, sandbox: Running) -> None:
        """B2: an answer that does not fit into max_output_tokens ends incomplete, and is paid."""
        run = await ask(sandbox, max_output_tokens=20, response_format=SCHEMA)
        assert (run["status"], run["incomplete_details"]) == ("incomplete", {"reason": "max_output_tokens"})
        assert await sandbox.billed_usd_micro("perplexity") == micro(run) > 0
        with pytest.raises(ValueError, match=r"Unterminated|Expecting"):
            json.loads(text(run))

    async def test_chain(self, sandbox: Running) -> None:
        """A run can follow a completed one."""
        first = await ask(sandbox)
        second = await ask(sandbox, previous_response_id=first["id"])
        assert second["previous_response_id"] == first["id"]

    async def test_not_stored(self, sandbox: Running) -> None:
        """A run with store=false cannot be read again."""
        run = await ask(sandbox, store=False)
        assert (await get(sandbox, f"v1/responses/{run['id']}")).status_code == 404

    async def test_models(self, sandbox: Running) -> None:
        """B2: the models are listed without prices, free of charge."""
        models = (await get(sandbox, "v1/models")).json()
        assert models["object"] == "list"
        assert {"id", "object", "created", "owned_by"} == set(models["data"][0])
        assert (await sandbox.entries("perplexity"))[0]["billed"] is False


class TestBackground:
    async def test_lifecycle(self, sandbox: Running) -> None:
        """DC-1: queued at once, then completed, and billed when accepted; the answer is read as often as one likes."""
        run = await ask(sandbox, background=True)
        assert (run["status"], run["output"], run["usage"], run["background"]) == ("queued", [], None, True)
        billed = await sandbox.billed_usd_micro("perplexity")
        done = await ended(sandbox, run["id"])
        assert done["status"] == "completed"
        assert micro(done) == billed == await sandbox.billed_usd_micro("perplexity")
        assert (await get(sandbox, f"v1/agent/{run['id']}")).json() == done

    async def test_survives_a_restart(self, start: Start, tmp_path: Path) -> None:
        """DC-1: a run goes on while the client, and even the sandbox, is away."""
        first = await start(state=tmp_path / "sandbox.json")
        run = await ask(first, background=True)
        first.stop.set()
        await first.task
        second = await start(state=tmp_path / "sandbox.json")
        assert (await ended(second, run["id"]))["status"] == "completed"

    async def test_states_by_script(self, sandbox: Running) -> None:
        """How long a run waits and works can be scripted."""
        await sandbox.fault("stay_queued", provider="perplexity", seconds=600, times=1)
        await sandbox.fault("slow_run", provider="perplexity", seconds=600, times=1)
        waiting = await ask(sandbox, background=True)
        working = await ask(sandbox, background=True)

        async def works() -> bool:
            return bool((await get(sandbox, f"v1/responses/{working['id']}")).json()["status"] == "in_progress")

        await eventually(works)
        assert (await get(sandbox, f"v1/responses/{waiting['id']}")).json()["status"] == "queued"

    async def test_cancel(self, sandbox: Running) -> None:
        """PF-21: a run cancelled while queued costs nothing, one at work costs its input; a second time is a 400."""
        await sandbox.fault("stay_queued", provider="perplexity", seconds=600, times=1)
        waiting = await ask(sandbox, background=True)
        cancelled = await post(sandbox, f"v1/responses/{waiting['id']}/cancel", {})
        assert cancelled.json() == {"response_id": waiting["id"], "status": "cancelling"}
        done = await ended(sandbox, waiting["id"])
        assert (done["status"], done["usage"]) == ("cancelled", None)
        assert await sandbox.billed_usd_micro("perplexity") == 0
        assert (await post(sandbox, f"v1/agent/{waiting['id']}/cancel", {})).status_code == 400

    async def test_cancel_at_work(self, sandbox: Running) -> None:
        """PF-21: what a run has used before it was cancelled is billed and told."""
        await sandbox.fault("slow_run", provider="perplexity", seconds=600, times=1)
        run = await ask(sandbox, background=True)
        full = await sandbox.billed_usd_micro("perplexity")

        async def works() -> bool:
            return bool((await get(sandbox, f"v1/responses/{run['id']}")).json()["status"] == "in_progress")

        await eventually(works)
        await post(sandbox, f"v1/agent/{run['id']}/cancel", {})
        done = await ended(sandbox, run["id"])
        assert done["status"] == "cancelled"
        assert 0 < micro(done) == await sandbox.billed_usd_micro("perplexity") < full

    async def test_cancel_after_the_end(self, sandbox: Running) -> None:
        """B2: a run that has ended cannot be cancelled; an unknown one is not found."""
        run = await ask(sandbox)
        assert (await post(sandbox, f"v1/responses/{run['id']}/cancel", {})).status_code == 400
        assert (await post(sandbox, "v1/responses/resp_unknown/cancel", {})).status_code == 404


class TestFaults:
    @pytest.mark.parametrize(
        ("kind", "status", "word"),
        [
            ("unauthorized", 401, "invalid_api_key"),
            ("organisation_key", 403, "forbidden"),
            ("insufficient_quota", 401, "insufficient_quota"),
            ("migration_required", 403, "agent_api_migration_required"),
            ("rate_limited", 429, "rate_limit_exceeded"),
            ("server_error", 500, "server_error"),
            ("overloaded", 503, "overloaded"),
        ],
    )
    async def test_refusals(self, sandbox: Running, kind: str, status: int, word: str) -> None:
        """B2: an error is an object with message, type and code; it is not billed, and has no label."""
        await sandbox.fault(kind, provider="perplexity", times=1)
        answer = await post(sandbox, "v1/agent", {"input": "x", "effort": "fast"})
        assert (answer.status_code, answer.json()["error"]["type"]) == (status, word)
        assert answer.json()["error"]["code"] == status
        assert "retry-after" not in answer.headers
        assert "x-data-class" not in answer.headers
        assert await sandbox.billed_usd_micro("perplexity") == 0

    async def test_rate_limit_with_a_time(self, sandbox: Running) -> None:
        """B2: 429 may tell when to come again."""
        await sandbox.fault("rate_limited", provider="perplexity", times=1, retry_after_s=7)
        answer = await post(sandbox, "v1/agent", {"input": "x", "effort": "fast"})
        assert (answer.status_code, answer.headers["retry-after"]) == (429, "7")

    async def test_html_outage(self, sandbox: Running) -> None:
        """An outage in front of the API is HTML."""
        await sandbox.fault("html502", provider="perplexity", times=1)
        answer = await post(sandbox, "v1/agent", {"input": "x", "effort": "fast"})
        assert (answer.status_code, answer.headers["content-type"]) == (502, "text/html")

    async def test_wrong_key(self, sandbox: Running) -> None:
        """B2: a wrong key is a 401, on every path."""
        for headers in ({}, {"authorization": "Bearer other"}, {"authorization": "sandbox"}):
            answer = await sandbox.client.get("/perplexity/v1/models", headers=headers)
            assert (answer.status_code, answer.json()["error"]["type"]) == (401, "invalid_api_key")

    @pytest.mark.parametrize("path", ["chat/completions", "async/chat/completions"])
    async def test_retired_paths(self, sandbox: Running, path: str) -> None:
        """B2: the paths that ended in September 2026 answer 403 in the documented form."""
        answer = await post(sandbox, path, {"model": "sonar", "messages": []})
        error = answer.json()["error"]
        assert (answer.status_code, error["type"]) == (403, "chat_completions_not_available")
        assert error["message"].startswith("Sonar is now the Agent API.")

    async def test_unknown_path(self, sandbox: Running) -> None:
        """There is no listing of responses: a lost id cannot be found again."""
        assert (await get(sandbox, "v1/responses")).status_code == 404

    @pytest.mark.parametrize(("kind", "billed"), [("failed", False), ("failed_billed", True)])
    async def test_failed_in_200(self, sandbox: Running, kind: str, billed: bool) -> None:
        """B2: a run that fails is HTTP 200 with an error in it; it may have been billed."""
        await sandbox.fault(kind, provider="perplexity", times=1, text="no luck")
        run = await ask(sandbox)
        assert (run["status"], run["output"], run["error"]["message"]) == ("failed", [], "no luck")
        assert (run["usage"] is not None) == billed == (await sandbox.billed_usd_micro("perplexity") > 0)

    async def test_lost_run(self, sandbox: Running) -> None:
        """A run that was made and billed but cannot be read: its outcome stays unknown."""
        await sandbox.fault("lost", provider="perplexity", times=1)
        run = await ask(sandbox, background=True)
        assert (await get(sandbox, f"v1/responses/{run['id']}")).status_code == 404
        assert await sandbox.billed_usd_micro("perplexity") > 0

    async def test_dear_run(self, sandbox: Running) -> None:
        """A run can cost what the script says, more than anybody has held for it."""
        await sandbox.fault("cost", provider="perplexity", times=2, amount=9_876_543)
        assert micro(await ask(sandbox)) == 9_876_543
        await ask(sandbox, background=True)
        assert await sandbox.billed_usd_micro("perplexity") == 2 * 9_876_543

    async def test_cost_is_not_told(self, sandbox: Running) -> None:
        """The usage, or only its cost, may be missing; it is billed all the same."""
        await sandbox.fault("no_cost", provider="perplexity", times=1)
        await sandbox.fault("no_usage", provider="perplexity", times=1)
        assert "cost" not in (await ask(sandbox))["usage"]
        assert (await ask(sandbox))["usage"] is None
        assert all(entry["billed_usd_micro"] > 0 for entry in await sandbox.entries("perplexity"))

    async def test_odd_outputs(self, sandbox: Running) -> None:
        """B2: unknown types of output items, no search results, an answer that needs a function."""
        for kind in ("unknown_item", "no_results", "requires_action"):
            await sandbox.fault(kind, provider="perplexity", times=1)
        odd, empty, asking = [await ask(sandbox) for _ in range(3)]
        assert "item_of_next_year" in [item["type"] for item in odd["output"]]
        assert empty["output"][0]["results"] == []
        assert (asking["status"], asking["output"][-1]["type"]) == ("requires_action", "function_call")

    async def test_bad_texts(self, sandbox: Running) -> None:
        """A structured answer may be cut, of another shape, or fenced; each is paid."""
        for kind in ("bad_json", "wrong_schema", "fenced"):
            await sandbox.fault(kind, provider="perplexity", times=1)
        cut, other, fenced = [text(await ask(sandbox, response_format=SCHEMA)) for _ in range(3)]
        with pytest.raises(ValueError, match=r"Unterminated|Expecting"):
            json.loads(cut)
        assert "picks" not in json.loads(other)
        assert fenced.startswith("```json")


class TestStream:
    async def test_events(self, sandbox: Running) -> None:
        """B2: a streamed run has numbered events and ends with the whole response; it can be resumed after any."""
        body = {"input": "Which of IBM and FB?", "effort": "low", "stream": True}
        whole = events((await post(sandbox, "v1/agent", body)).text)
        assert [event["sequence_number"] for event in whole] == list(range(len(whole)))
        assert (whole[0]["type"], whole[-1]["type"]) == ("response.created", "response.completed")
        deltas = "".join(event["delta"] for event in whole if event["type"] == "response.output_text.delta")
        final = whole[-1]["response"]
        assert deltas == text(final)
        resumed = await get(sandbox, f"v1/responses/{final['id']}", stream="true", starting_after="5")
        assert events(resumed.text) == whole[6:]
        assert (await get(sandbox, f"v1/responses/{final['id']}", stream="true")).status_code == 400

    async def test_failed(self, sandbox: Running) -> None:
        """A run that fails while it is streamed ends with its error."""
        await sandbox.fault("failed", provider="perplexity", times=1)
        answer = await post(sandbox, "v1/agent", {"input": "x", "effort": "low", "stream": True})
        assert events(answer.text)[-1]["error"]["code"] == "server_error"


def events(body: str) -> list[Json]:
    return [json.loads(line[6:]) for line in body.splitlines() if line.startswith("data: ")]
