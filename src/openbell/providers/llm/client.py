"""One question to a model: one spend, one attempt, an answer of a declared form.

The libraries make no repetitions of their own. The spend is marked as sent by the connection pool, right before the
request leaves; what the answer has cost is kept also when it is of no use.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Generic, Literal, TypeVar
from urllib.parse import urlsplit

import httpx2
from anthropic import AsyncAnthropic
from openai import AsyncOpenAI
from pydantic import BaseModel
from pydantic_ai import Agent, ModelMessage, NativeOutput, RunUsage, ToolOutput, UsageLimits, capture_run_messages
from pydantic_ai.capabilities import NativeTool
from pydantic_ai.exceptions import AgentRunError
from pydantic_ai.models import Model
from pydantic_ai.models.anthropic import AnthropicModel
from pydantic_ai.models.openai import OpenAIChatModel, OpenAIResponsesModel, OpenAIResponsesModelSettings
from pydantic_ai.native_tools import SUPPORTED_NATIVE_TOOLS, WebSearchTool
from pydantic_ai.providers.anthropic import AnthropicProvider
from pydantic_ai.providers.openai import OpenAIProvider
from pydantic_ai.providers.openai_compatible import OpenAICompatibleProvider
from pydantic_ai.settings import ModelSettings

from openbell.engine.attempt import Attempt
from openbell.engine.errors import Permanent
from openbell.engine.spends import Call
from openbell.providers import wire
from openbell.providers.llm import Kind
from openbell.providers.llm.errors import Meaning, meaning_of
from openbell.providers.llm.prices import Prices, most_micro, most_tokens, price
from openbell.providers.money import micro

T = TypeVar("T", bound=BaseModel)

# Anthropic's library asks for answers that may take long as a stream, but only under its own default time-outs; what a
# question may take at most is kept by `request_timeout`.
TIMEOUT = httpx2.Timeout(600, connect=5.0)
NO_KEY = "none"
NO_TEMPERATURE = ("openai_supports_reasoning", "anthropic_disallows_sampling_settings")
"""Traits of models that take no temperature; they are asked without one."""

Way = Literal["tool", "native"]
"""How the form of the answer is asked for: as a tool that takes it, or by the provider's own means."""


@dataclass(slots=True)
class Passage:
    """One call on its way through the pool, which marks it, and notes what the answer says of itself."""

    call: Call
    stopped: Exception | None = None
    synthetic: str | None = None


_passage: ContextVar[Passage] = ContextVar("passage")


async def _leaves(request: httpx2.Request) -> None:  # noqa: ARG001 (a hook of the pool)
    passage = _passage.get()
    try:
        await passage.call.sending()
    except Exception as error:
        # The libraries wrap whatever happens here as trouble with the connection.
        passage.stopped = error
        raise


async def _arrives(response: httpx2.Response) -> None:
    passage = _passage.get()
    passage.synthetic = wire.synthetic_of(response.headers) or passage.synthetic


@dataclass(frozen=True, slots=True)
class Models:
    """The models of one provider, with their connection pool."""

    provider: str
    kind: Kind
    host: str
    prices: Prices
    http: httpx2.AsyncClient = field(repr=False)
    _source: Any = field(repr=False)

    def asked_by(self, attempt: Attempt) -> Llm:
        """The models as one attempt may ask them."""
        return Llm(self, attempt)

    def model(self, name: str) -> Model:
        """A model by its name at the provider, which need not be known to us."""
        match self.kind:
            case "anthropic":
                return AnthropicModel(name, provider=self._source)
            case "openai":
                # What is asked and answered is ours to keep, not the provider's.
                return OpenAIResponsesModel(
                    name, provider=self._source, settings=OpenAIResponsesModelSettings(openai_store=False)
                )
            case "compatible":
                return OpenAIChatModel(name, provider=self._source)

    async def aclose(self) -> None:
        """Close the connections."""
        await self.http.aclose()


def open_models(provider: str, kind: Kind, base_url: str, key: str, prices: Prices) -> Models:
    """As :func:`openbell.providers.llm.open_models`."""
    http = httpx2.AsyncClient(
        timeout=TIMEOUT,
        limits=httpx2.Limits(max_connections=20, max_keepalive_connections=5),
        event_hooks={"request": [_leaves], "response": [_arrives]},
    )
    base = base_url.rstrip("/")
    source: Any
    if kind == "anthropic":
        source = AnthropicProvider(
            anthropic_client=AsyncAnthropic(api_key=key, base_url=base, max_retries=0, http_client=http)
        )
    else:
        client = AsyncOpenAI(api_key=key or NO_KEY, base_url=base, max_retries=0, http_client=http)
        source = (
            OpenAIProvider(openai_client=client)
            if kind == "openai"
            else OpenAICompatibleProvider(provider, openai_client=client)
        )
    return Models(provider, kind, urlsplit(base).netloc.rpartition("@")[2], prices, http, source)


def _can_search(model: Model) -> bool:
    """Whether a model looks things up itself; of the chats of compatible servers few do, and others refuse the tool."""
    return WebSearchTool in model.profile.get("supported_native_tools", SUPPORTED_NATIVE_TOOLS)


@dataclass(frozen=True, slots=True)
class Reply(Generic[T]):
    """An answer. ``cost_micro`` is None where nobody has a price of the model; it is booked as held then."""

    value: T
    model: str
    input_tokens: int
    output_tokens: int
    cost_micro: int | None


class Llm:
    """The models of one provider as one attempt may ask them."""

    def __init__(self, models: Models, attempt: Attempt) -> None:
        self._models, self._attempt = models, attempt

    async def ask(
        self,
        model: str,
        prompt: str,
        *,
        output: type[T],
        max_tokens: int,
        instructions: str | None = None,
        effect: Literal["never", "repeat", "lookup"] = "never",
        key: str | None = None,
        tries: int = 1,
        way: Way = "tool",
        temperature: float | None = None,
        hold_micro: int | None = None,
        timeout_s: float = 120.0,
        search: bool = False,
    ) -> Reply[T]:
        """The answer of ``model``, in the form of ``output``.

        What it may cost at most is held: every byte of the prompt as a token, and ``max_tokens`` of answer, for each of
        ``tries`` (a second one repeats the question, and pays for it, when the answer is not of that form).
        ``hold_micro`` says it where no price is known. With the effect `never` a question whose answer was lost is not
        asked again; keep the answer by making this a step. ``key`` makes that hold across jobs. With `lookup` and a
        ``key`` it is not asked again either, but the job goes on: `answer_lost`, and what it may have cost stays held.

        With ``search`` the model may look things up on the web, where the provider has that; hold enough for it.

        Raises :class:`Permanent` with `invalid_output`, `output_cut_off`, `prompt_too_long`, `unknown_model`,
        `price_unknown`, …, :class:`ProviderStopped` with `bad_key` or `account_exhausted`, :class:`RateLimited`,
        :class:`Transient`.
        """
        schema = len(json.dumps(output.model_json_schema()))
        read, said = most_tokens(len(f"{instructions or ''}{prompt}".encode()) + schema, max_tokens, tries)
        models = self._models
        held = most_micro(models.provider, model, read, said, models.prices) if hold_micro is None else hold_micro
        timeout = wire.call_time(timeout_s)
        async with self._attempt.spends(models.provider).call(
            models.kind,
            effect=effect,
            idempotency_key=key,
            timeout=timeout,
            slow=timeout,
            calls=tries,
            usd_micro=held,
            tokens=read + said,
        ) as call:
            if call.resumed:
                call.unclear("answer lost")
                raise Permanent(
                    f"{model} was asked this by an attempt that ended before it was answered; it is not paid for twice",
                    code="answer_lost",
                )
            asked = models.model(model)
            agent: Agent[object, T] = Agent(
                asked,
                output_type=ToolOutput(output) if way == "tool" else NativeOutput(output),
                instructions=instructions,
                retries=tries - 1,
                capabilities=[NativeTool(WebSearchTool(optional=True))] if search and _can_search(asked) else None,
            )
            settings = ModelSettings(max_tokens=max_tokens, request_timeout=timeout_s)
            if temperature is not None and not any(asked.profile.get(one) for one in NO_TEMPERATURE):
                settings["temperature"] = temperature
            return await self._run(agent, model, prompt, settings, tries, call)

    async def _run(
        self, agent: Agent[object, T], model: str, prompt: str, settings: ModelSettings, tries: int, call: Call
    ) -> Reply[T]:
        usage, passage = RunUsage(), Passage(call)
        before = _passage.set(passage)
        said: list[ModelMessage] = []
        try:
            with capture_run_messages() as said:
                result = await agent.run(
                    prompt, usage=usage, usage_limits=UsageLimits(request_limit=tries), model_settings=settings
                )
        except AgentRunError as error:
            if passage.stopped is not None:
                raise passage.stopped from None
            raise self._failed(meaning_of(error, self._models.provider, model, said), model, usage, call) from None
        finally:
            _passage.reset(before)
        cost = self._book(call, model, usage, ref=result.response.provider_response_id)
        answered = result.response.model_name or model
        self._attempt.cite(
            provider=self._models.provider,
            operation=self._models.kind,
            host=self._models.host,
            model=answered,
            synthetic=passage.synthetic,
        )
        return Reply(result.output, answered, usage.input_tokens, usage.output_tokens, cost)

    def _failed(self, meaning: Meaning, model: str, usage: RunUsage, call: Call) -> Exception:
        """Book what the failure proves; the error to raise."""
        paid = usage.input_tokens > 0 or usage.output_tokens > 0 or meaning.proof == "answered"
        if paid:
            self._book(call, model, usage, outcome=meaning.error.code)
        if meaning.proof == "open":
            call.unclear(meaning.error.code)
        elif not paid and meaning.proof == "never_sent":
            call.never_sent(meaning.error.code)
        elif not paid:
            call.refused(meaning.error.code)
        if meaning.trouble is not None:
            call.trouble(meaning.trouble)
        return meaning.error

    def _book(
        self, call: Call, model: str, usage: RunUsage, *, outcome: str = "ok", ref: str | None = None
    ) -> int | None:
        """Tell the ledger what it took; the cost in micro-dollars, None where nobody can price it."""
        usd = _cost(self._models, model, usage)
        cost = None if usd is None else micro(usd)
        measured = not usage.unmeasured_requests
        amounts: Mapping[str, int] = {
            **({"tokens": usage.input_tokens + usage.output_tokens} if measured else {}),
            **({} if cost is None else {"usd_micro": cost}),
        }
        unknown = "price unknown" if outcome == "ok" else f"{outcome}, price unknown"
        call.took(outcome=unknown if cost is None else outcome, ref=ref, **amounts)
        return cost


def _cost(models: Models, model: str, usage: RunUsage) -> Decimal | None:
    """US dollars for what was used; our own price first, since it is what was held."""
    if usage.unmeasured_requests:
        return None
    if model in models.prices:
        return price(models.provider, model, usage.input_tokens, usage.output_tokens, models.prices)
    if usage.cost is None:
        return price(models.provider, model, usage.input_tokens, usage.output_tokens, models.prices)
    return usage.cost
