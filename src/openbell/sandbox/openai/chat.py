"""Chat completions: the question in a request, and the answer in JSON or as a stream."""

from __future__ import annotations

from typing import Any

from openbell.sandbox.llm.events import event, pieces
from openbell.sandbox.llm.prices import Model, text_of
from openbell.sandbox.llm.replies import Question, Reply, Tool, chosen

Json = dict[str, Any]

STOPS = {"stop": "stop", "length": "length", "tool": "tool_calls"}
CALL_ID = "call_sandbox"


def question(body: Json, model: Model) -> Question:
    """What a request asks for. Raises KeyError, TypeError or AttributeError for what cannot be understood."""
    form = body.get("response_format") or {}
    tools = [Tool(of["function"]["name"], of["function"].get("parameters", {})) for of in body.get("tools") or []]
    choice = body.get("tool_choice")
    name = choice["function"]["name"] if isinstance(choice, dict) else None
    tool = None if choice == "none" else chosen(tools, forced=choice == "required", name=name)
    schema = form["json_schema"]["schema"] if form.get("type") == "json_schema" else None
    if form.get("type") == "json_object":
        schema = {"type": "object", "properties": {"answer": {"type": "string"}}}
    return Question(
        prompt=text_of([message.get("content") for message in body["messages"]]),
        counted=text_of([body["messages"], body.get("tools"), form]),
        model=model,
        most_tokens=body.get("max_completion_tokens", body.get("max_tokens")),
        schema=schema,
        tool=tool,
    )


def usage(reply: Reply) -> Json:
    """The usage block."""
    return {
        "prompt_tokens": reply.input_tokens,
        "completion_tokens": reply.output_tokens,
        "total_tokens": reply.input_tokens + reply.output_tokens,
        "prompt_tokens_details": {"cached_tokens": reply.cached_tokens, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": 0,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }


def completion(reply: Reply, identifier: str, created: int) -> Json:
    """The whole answer."""
    message: Json = {"role": "assistant", "content": reply.text, "refusal": None, "annotations": []}
    if reply.tool is not None:
        call = {"name": reply.tool, "arguments": reply.text}
        message |= {"content": None, "tool_calls": [{"id": CALL_ID, "type": "function", "function": call}]}
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": STOPS[reply.stop]}
    return {**_head(reply, identifier, created, "chat.completion"), "choices": [choice], "usage": usage(reply)}


def chunks(reply: Reply, identifier: str, created: int, *, with_usage: bool) -> list[bytes]:
    """The answer as events."""
    head = _head(reply, identifier, created, "chat.completion.chunk")
    deltas: list[Json] = [{"role": "assistant", "content": None if reply.tool else "", "refusal": None}]
    if reply.tool is None:
        deltas += [{"content": piece} for piece in pieces(reply.text)]
    else:
        first = {"index": 0, "id": CALL_ID, "type": "function", "function": {"name": reply.tool, "arguments": ""}}
        deltas.append({"tool_calls": [first]})
        deltas += [{"tool_calls": [{"index": 0, "function": {"arguments": piece}}]} for piece in pieces(reply.text)]
    blank: Json = {"usage": None} if with_usage else {}
    made = [
        event({**head, **blank, "choices": [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": None}]})
        for delta in deltas
    ]
    end = {"index": 0, "delta": {}, "logprobs": None, "finish_reason": STOPS[reply.stop]}
    made.append(event({**head, **blank, "choices": [end]}))
    if with_usage:
        made.append(event({**head, "choices": [], "usage": usage(reply)}))
    return [*made, event("[DONE]")]


def _head(reply: Reply, identifier: str, created: int, kind: str) -> Json:
    return {
        "id": identifier,
        "object": kind,
        "created": created,
        "model": reply.model.name,
        "service_tier": "default",
        "system_fingerprint": "fp_sandbox",
    }
