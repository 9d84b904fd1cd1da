"""The vendors' own libraries against the sandbox: it must speak the real dialects, not just agree with our clients."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from decimal import Decimal
from typing import Any

import anthropic
import openai
import perplexity
import pytest
from pydantic import BaseModel

from openbell.sandbox.llm.prices import ANTHROPIC, OPENAI
from tests.sandbox.harness import Running
from tests.support import eventually


class Pick(BaseModel):
    ticker: str
    thesis: str


SCHEMA = Pick.model_json_schema()
MESSAGES: Any = [{"role": "user", "content": "IBM?"}]


def strictly(answer: Any) -> Any:
    """The answer itself, once its fields are what the library's types say: it takes anything when it reads."""
    type(answer).model_validate(answer.to_dict())
    return answer


async def at_its_end(retrieve: Callable[[], Awaitable[Any]]) -> Any:
    """What is retrieved again and again, when it is no longer under way."""

    async def look() -> Any:
        found = strictly(await retrieve())
        state = getattr(found, "status", None) or found.processing_status
        return found if state in ("completed", "ended") else None

    return await eventually(look)


def at(sandbox: Running, path: str) -> dict[str, Any]:
    """What each library is told."""
    return {"api_key": "sandbox", "base_url": f"{sandbox.url}/{path}", "max_retries": 0, "timeout": 5}


@pytest.fixture
async def pplx(sandbox: Running) -> AsyncIterator[perplexity.AsyncPerplexity]:
    async with perplexity.AsyncPerplexity(**at(sandbox, "perplexity")) as client:
        yield client


@pytest.fixture
async def gpt(sandbox: Running) -> AsyncIterator[openai.AsyncOpenAI]:
    async with openai.AsyncOpenAI(**at(sandbox, "openai/v1")) as client:
        yield client


@pytest.fixture
async def claude(sandbox: Running) -> AsyncIterator[anthropic.AsyncAnthropic]:
    async with anthropic.AsyncAnthropic(**at(sandbox, "anthropic")) as client:
        yield client


class TestPerplexity:
    async def test_create(self, sandbox: Running, pplx: perplexity.AsyncPerplexity) -> None:
        """The library reads a run with search results, structured text and its cost."""
        form = {"type": "json_schema", "json_schema": {"name": "pick", "schema": SCHEMA}}
        run = strictly(
            await pplx.responses.create(
                input="IBM or FB?", effort="low", tools=[{"type": "web_search"}], response_format=form
            )
        )
        assert Pick.model_validate_json(run.output_text).ticker == "IBM"
        assert (run.status, [item.type for item in run.output]) == ("completed", ["search_results", "message"])
        assert round(run.usage.cost.total_cost * 1_000_000) == await sandbox.billed_usd_micro("perplexity")
        assert "perplexity/sonar" in [model.id for model in strictly(await pplx.models.list()).data]

    async def test_background(self, sandbox: Running, pplx: perplexity.AsyncPerplexity) -> None:
        """The library starts a run in the background, polls it to its end, and cancels another one."""
        run = await pplx.responses.create(input="IBM?", effort="fast@2026-10-16.0", background=True)
        assert (run.status, run.usage) == ("queued", None)

        assert (await at_its_end(lambda: pplx.responses.retrieve(run.id))).output_text
        await sandbox.fault("stay_queued", provider="perplexity", seconds=600, times=1)
        other = await pplx.responses.create(input="IBM?", effort="fast", background=True)
        assert (await pplx.responses.cancel(other.id)).status == "cancelling"
        with pytest.raises(perplexity.BadRequestError, match="already completed"):
            await pplx.responses.cancel(run.id)

    async def test_stream(self, pplx: perplexity.AsyncPerplexity) -> None:
        """The library reads every event of a stream, and resumes it."""
        stream = await pplx.responses.create(input="IBM?", effort="low", stream=True)
        events = [strictly(event) async for event in stream]
        text = "".join(event.delta for event in events if event.type == "response.output_text.delta")
        last = events[-1]
        assert last.type == "response.completed"
        assert last.response.output_text == text
        resumed = await pplx.responses.retrieve(last.response.id, stream=True, starting_after=len(events) - 2)
        assert [event.type async for event in resumed] == ["response.completed"]

    async def test_unknown_items(self, sandbox: Running, pplx: perplexity.AsyncPerplexity) -> None:
        """Output items that the library does not know do not keep it from reading the others."""
        await sandbox.fault("unknown_item", provider="perplexity", times=1)
        run = await pplx.responses.create(input="IBM?", effort="low")
        assert "item_of_next_year" in [item.type for item in run.output]
        assert run.output_text

    async def test_batch(self, pplx: perplexity.AsyncPerplexity) -> None:
        """The library uploads a file, creates a batch twice with one key, and reads its output once."""
        line = {"custom_id": "a", "body": {"input": "IBM?", "effort": "low"}}
        file = await pplx.files.create(file=("in.jsonl", json.dumps(line).encode()), purpose="batch")
        asked: Any = {"endpoint": "/v1/responses", "input_file_id": file.id, "metadata": {"week": "47"}}
        batch = await pplx.batches.create(**asked, idempotency_key="once")
        assert (await pplx.batches.create(**asked, idempotency_key="once")).id == batch.id

        ended = await at_its_end(lambda: pplx.batches.retrieve(batch.id))
        output = json.loads(await (await pplx.files.content(ended.output_file_id)).read())
        assert output["response"]["body"]["status"] == "completed"
        assert [one.metadata for one in (await pplx.batches.list()).data] == [{"week": "47"}]

    @pytest.mark.parametrize(
        ("kind", "error"),
        [
            ("unauthorized", perplexity.AuthenticationError),
            ("organisation_key", perplexity.PermissionDeniedError),
            ("rate_limited", perplexity.RateLimitError),
            ("server_error", perplexity.InternalServerError),
            ("drop", perplexity.APIConnectionError),
        ],
    )
    async def test_errors(
        self, sandbox: Running, pplx: perplexity.AsyncPerplexity, kind: str, error: type[perplexity.APIError]
    ) -> None:
        """The library types each refusal as the vendor's."""
        await sandbox.fault(kind, provider="perplexity", times=1)
        with pytest.raises(error):
            await pplx.responses.create(input="IBM?", effort="fast")

    async def test_retired(self, pplx: perplexity.AsyncPerplexity) -> None:
        """The retired chat completions are forbidden, in the documented words."""
        with pytest.raises(perplexity.PermissionDeniedError, match="chat_completions_not_available"):
            await pplx.chat.completions.create(model="sonar", messages=[{"role": "user", "content": "x"}])


class TestOpenAi:
    async def test_chat(self, sandbox: Running, gpt: openai.AsyncOpenAI) -> None:
        """The library reads a completion, and parses a structured one into a model of ours."""
        parsed = await gpt.chat.completions.parse(
            model="gpt-6-luna", messages=[{"role": "user", "content": "IBM?"}], response_format=Pick
        )
        assert parsed.choices[0].message.parsed is not None
        assert parsed.choices[0].message.parsed.ticker == "IBM"
        usage = parsed.usage
        assert usage is not None
        cost = usage.prompt_tokens * 0.1 + usage.completion_tokens * 0.5
        assert await sandbox.billed_usd_micro("openai") == cost

    async def test_chat_stream(self, gpt: openai.AsyncOpenAI) -> None:
        """The library puts a stream together again, with its usage."""
        async with gpt.chat.completions.stream(
            model="gpt-6-luna", messages=MESSAGES, stream_options={"include_usage": True}
        ) as stream:
            whole = await stream.get_final_completion()
        plain = strictly(await gpt.chat.completions.create(model="gpt-6-luna", messages=MESSAGES))
        assert whole.choices[0].message.content == plain.choices[0].message.content
        assert whole.usage == plain.usage

    async def test_responses(self, gpt: openai.AsyncOpenAI) -> None:
        """The library reads a parsed response, a streamed one, and one in the background."""
        parsed = await gpt.responses.parse(model="gpt-6-luna", input="IBM?", text_format=Pick)
        assert parsed.output_parsed is not None
        assert parsed.output_parsed.ticker == "IBM"
        async with gpt.responses.stream(model="gpt-6-luna", input="IBM?") as stream:
            streamed = await stream.get_final_response()
        begun = await gpt.responses.create(model="gpt-6-luna", input="IBM?", background=True)

        assert (await at_its_end(lambda: gpt.responses.retrieve(begun.id))).output_text == streamed.output_text

    async def test_tool_stream(self, gpt: openai.AsyncOpenAI) -> None:
        """The library puts the arguments of a tool together again."""
        tool: Any = {"type": "function", "name": "final_result", "parameters": SCHEMA, "strict": False}
        async with gpt.responses.stream(model="gpt-6-luna", input="IBM?", tools=[tool]) as stream:
            final = await stream.get_final_response()
        [item] = final.output
        assert item.type == "function_call"
        assert Pick.model_validate_json(item.arguments).ticker == "IBM"

    async def test_batch(self, gpt: openai.AsyncOpenAI) -> None:
        """The library uploads a file and reads the output of its batch."""
        body = {"model": "gpt-6-luna", "messages": [{"role": "user", "content": "IBM?"}]}
        line = {"custom_id": "a", "method": "POST", "url": "/v1/chat/completions", "body": body}
        file = await gpt.files.create(file=("in.jsonl", json.dumps(line).encode()), purpose="batch")
        batch = await gpt.batches.create(
            input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h"
        )

        ended = await at_its_end(lambda: gpt.batches.retrieve(batch.id))
        output = json.loads((await gpt.files.content(ended.output_file_id)).text)
        assert output["response"]["status_code"] == 200
        assert [one.id async for one in gpt.batches.list()] == [batch.id]

    @pytest.mark.parametrize(
        ("kind", "error", "code"),
        [
            ("unauthorized", openai.AuthenticationError, "invalid_api_key"),
            ("rate_limited", openai.RateLimitError, "rate_limit_exceeded"),
            ("insufficient_quota", openai.RateLimitError, "insufficient_quota"),
            ("context_length", openai.BadRequestError, "context_length_exceeded"),
            ("model_not_found", openai.NotFoundError, "model_not_found"),
            ("overloaded", openai.InternalServerError, "server_is_overloaded"),
            ("drop", openai.APIConnectionError, None),
        ],
    )
    async def test_errors(
        self, sandbox: Running, gpt: openai.AsyncOpenAI, kind: str, error: type[openai.APIError], code: str | None
    ) -> None:
        """The library types each refusal as the vendor's, with its code."""
        await sandbox.fault(kind, provider="openai", times=1)
        with pytest.raises(error) as caught:
            await gpt.chat.completions.create(model="gpt-6-luna", messages=[{"role": "user", "content": "x"}])
        assert caught.value.code == code


class TestAnthropic:
    async def test_message(self, sandbox: Running, claude: anthropic.AsyncAnthropic) -> None:
        """The library reads a message with the call of a tool, and its usage."""
        tool: Any = {"name": "final_result", "input_schema": SCHEMA}
        found = strictly(
            await claude.messages.create(model="claude-haiku-5-5", max_tokens=1_000, messages=MESSAGES, tools=[tool])
        )
        [block] = found.content
        assert block.type == "tool_use"
        assert Pick.model_validate(block.input).ticker == "IBM"
        cost = found.usage.input_tokens * 0.1 + found.usage.output_tokens * 0.5
        assert await sandbox.billed_usd_micro("anthropic") == cost
        counted = await claude.messages.count_tokens(model="claude-haiku-5-5", messages=MESSAGES, tools=[tool])
        assert counted.input_tokens == found.usage.input_tokens

    async def test_stream(self, claude: anthropic.AsyncAnthropic) -> None:
        """The library puts a stream together again, text or a tool."""
        plain = await claude.messages.create(model="claude-haiku-5-5", max_tokens=1_000, messages=MESSAGES)
        async with claude.messages.stream(model="claude-haiku-5-5", max_tokens=1_000, messages=MESSAGES) as stream:
            whole = await stream.get_final_message()
        assert [block.type for block in whole.content] == ["text"]
        assert whole.content[0].to_dict()["text"] == plain.content[0].to_dict()["text"]
        assert whole.usage.output_tokens == plain.usage.output_tokens
        tool: Any = {"name": "final_result", "input_schema": SCHEMA}
        async with claude.messages.stream(
            model="claude-haiku-5-5", max_tokens=1_000, messages=MESSAGES, tools=[tool]
        ) as stream:
            called = await stream.get_final_message()
        assert Pick.model_validate(called.content[0].to_dict()["input"]).ticker == "IBM"

    async def test_batch(self, claude: anthropic.AsyncAnthropic) -> None:
        """The library creates a batch, waits for its end, and reads the results through their address."""
        params: Any = {"model": "claude-haiku-5-5", "max_tokens": 1_000, "messages": MESSAGES}
        batch = await claude.messages.batches.create(requests=[{"custom_id": "a", "params": params}])

        await at_its_end(lambda: claude.messages.batches.retrieve(batch.id))
        [result] = [strictly(one) async for one in await claude.messages.batches.results(batch.id)]
        assert (result.custom_id, result.result.type) == ("a", "succeeded")
        assert [one.id async for one in claude.messages.batches.list()] == [batch.id]

    @pytest.mark.parametrize(
        ("kind", "error"),
        [
            ("unauthorized", anthropic.AuthenticationError),
            ("permission_denied", anthropic.PermissionDeniedError),
            ("rate_limited", anthropic.RateLimitError),
            ("credit_too_low", anthropic.BadRequestError),
            ("model_not_found", anthropic.NotFoundError),
            ("overloaded", anthropic.InternalServerError),
            ("drop", anthropic.APIConnectionError),
        ],
    )
    async def test_errors(
        self, sandbox: Running, claude: anthropic.AsyncAnthropic, kind: str, error: type[anthropic.APIError]
    ) -> None:
        """The library types each refusal as the vendor's."""
        await sandbox.fault(kind, provider="anthropic", times=1)
        with pytest.raises(error):
            await claude.messages.create(model="claude-haiku-5-5", max_tokens=1_000, messages=MESSAGES)

    async def test_spend_limit(self, sandbox: Running, claude: anthropic.AsyncAnthropic) -> None:
        """The library tells a used-up budget from a rate limit by its code."""
        await sandbox.fault("spend_limit", provider="anthropic", times=1)
        with pytest.raises(anthropic.RateLimitError) as caught:
            await claude.messages.create(model="claude-haiku-5-5", max_tokens=1_000, messages=MESSAGES)
        assert caught.value.error_code == "enforced_spend_limit_reached"


async def test_one_call_each_without_retries(
    sandbox: Running, gpt: openai.AsyncOpenAI, claude: anthropic.AsyncAnthropic, pplx: perplexity.AsyncPerplexity
) -> None:
    """B3: with retries 0 a library calls once; with its default it would silently pay three times."""
    for provider in ("openai", "anthropic", "perplexity"):
        await sandbox.fault("drop", provider=provider)
    with pytest.raises(openai.APIConnectionError):
        await gpt.chat.completions.create(model="gpt-6-luna", messages=MESSAGES)
    with pytest.raises(anthropic.APIConnectionError):
        await claude.messages.create(model="claude-haiku-5-5", max_tokens=10, messages=MESSAGES)
    with pytest.raises(perplexity.APIConnectionError):
        await pplx.responses.create(input="x", effort="fast")
    for provider in ("openai", "anthropic", "perplexity"):
        assert len(await sandbox.entries(provider)) == 1


async def test_same_price_list(sandbox: Running, gpt: openai.AsyncOpenAI, claude: anthropic.AsyncAnthropic) -> None:
    """PF-21: what a public price list makes of our usage figures is what we have billed, to the micro-dollar."""
    from genai_prices import Usage, calc_price

    total = 0
    for model in OPENAI:
        used = (await gpt.chat.completions.create(model=model, messages=MESSAGES)).usage
        assert used is not None
        tokens = Usage(input_tokens=used.prompt_tokens, output_tokens=used.completion_tokens)
        total += exact_micro(calc_price(tokens, model, provider_id="openai").total_price)
    assert await sandbox.billed_usd_micro("openai") == total
    total = 0
    for model in ANTHROPIC:
        spent = (await claude.messages.create(model=model, max_tokens=1_000, messages=MESSAGES)).usage
        tokens = Usage(input_tokens=spent.input_tokens, output_tokens=spent.output_tokens)
        total += exact_micro(calc_price(tokens, model, provider_id="anthropic").total_price)
    assert await sandbox.billed_usd_micro("anthropic") == total


def exact_micro(dollars: Decimal) -> int:
    """Micro-dollars, of which nothing may be left over."""
    micro = dollars * 1_000_000
    assert micro == int(micro)
    return int(micro)
