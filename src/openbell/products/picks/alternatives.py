"""Editions by a language model of Anthropic, of OpenAI or of a compatible server, where Perplexity is not used.

The form is asked for loosely, so that whatever comes is kept before anybody judges it, and is judged as any other.
"""

from __future__ import annotations

import json
from typing import Any, cast

from pydantic import BaseModel, ConfigDict

from openbell.products.context import Context
from openbell.products.picks.content import Content
from openbell.products.picks.editions import EditionKey
from openbell.products.picks.keeping import keep
from openbell.products.picks.questions import MOST_TOKENS, Question

MODELS = {"anthropic": "claude-sonnet-5-5", "openai": "gpt-6-sol"}
ANSWER_S = 300.0


class Source(BaseModel):
    """A page that the text refers to by its number in brackets."""

    id: int
    url: str
    title: str = ""
    date: str | None = None


class Form(Content):
    """What is asked for."""

    sources: list[Source]


class Draft(BaseModel):
    """What is taken: anything. The model is told the form; whether it has kept to it is judged later."""

    model_config = ConfigDict(extra="allow")

    @classmethod
    def __get_pydantic_json_schema__(cls, _schema: Any, _handler: Any) -> dict[str, Any]:
        form = Form.model_json_schema()
        return cast("dict[str, Any]", _inlined(form, form.pop("$defs")))


async def ask(ctx: Context, key: EditionKey, asked: Question, number: int) -> None:
    """Ask once, and keep what comes, in one transaction with the cost. A lost answer is not asked for again.

    Raises :class:`Permanent` with the code `answer_lost` for that, and as ``Llm.ask``.
    """
    config, attempt = ctx.connections.picks, ctx.attempt
    if config.provider == "perplexity":
        raise ValueError("Perplexity is asked by its own client")
    provider, model, step = config.provider, config.model or MODELS[config.provider], f"run {number}"

    async def answered() -> int:
        reply = await ctx.llm(provider).ask(
            model,
            asked.input,
            output=Draft,
            max_tokens=MOST_TOKENS,
            instructions=asked.prompt.text,
            effect="lookup",
            key=f"picks {key} #{number}",
            hold_micro=config.hold,
            timeout_s=ANSWER_S,
            search=True,
        )
        value = reply.value.model_dump(mode="json")
        answer = {"text": json.dumps(value), "sources": value.get("sources") or [], "synthetic": _synthetic(ctx)}
        about = {
            "provider": provider,
            "model": reply.model,
            "prompt": asked.prompt.id,
            "cost_micro": reply.cost_micro,
            "input_tokens": reply.input_tokens,
            "output_tokens": reply.output_tokens,
            "asked_at": attempt.claim.now,
        }
        await keep(attempt, step, number, [(key, number, answer, about)])
        return number

    await attempt.step(step, answered)


def _synthetic(ctx: Context) -> str | None:
    return next((one["synthetic"] for one in reversed(ctx.attempt.sources) if one.get("synthetic")), None)


def _inlined(schema: Any, definitions: dict[str, Any]) -> Any:
    """The schema with what it refers to in place: providers do not agree on where definitions stand."""
    if isinstance(schema, dict):
        if "$ref" in schema:
            return _inlined(definitions[schema["$ref"].rpartition("/")[2]], definitions)
        return {name: _inlined(value, definitions) for name, value in schema.items()}
    return [_inlined(one, definitions) for one in schema] if isinstance(schema, list) else schema
