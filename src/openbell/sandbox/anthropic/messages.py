"""Messages: the question in a request, and the answer in JSON or as a stream."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

from openbell.sandbox.anthropic.errors import bad, error
from openbell.sandbox.llm.events import event, pieces
from openbell.sandbox.llm.prices import ANTHROPIC, Model, text_of, tokens
from openbell.sandbox.llm.replies import Question, Reply, Tool, chosen
from openbell.sandbox.simulator import Refused

Json = dict[str, Any]

STOPS = {"stop": "end_turn", "length": "max_tokens", "tool": "tool_use"}


def question(body: Any, *, counting: bool = False) -> Question:
    """What a request asks for. Raises Refused for what the API would not take."""
    if not isinstance(body, dict):
        raise bad("The body must be a JSON object.")
    if not isinstance(body.get("messages"), list) or not body["messages"]:
        raise bad("messages: at least one message is required")
    if not counting and (not isinstance(body.get("max_tokens"), int) or body["max_tokens"] < 1):
        raise bad("max_tokens: Field required")
    model = ANTHROPIC.get(str(body.get("model")))
    if model is None:
        raise Refused(error("model_not_found", message=f"model: {body.get('model')}"))
    try:
        found = _question(body, model)
    except (KeyError, TypeError, AttributeError) as wrong:
        raise bad(f"Invalid request: {type(wrong).__name__} {wrong}") from wrong
    count = tokens(found.counted)
    if count > model.context_tokens:
        message = f"prompt is too long: {count} tokens > {model.context_tokens} maximum"
        raise Refused(error("context_length", message=message))
    return found


def _question(body: Json, model: Model) -> Question:
    form = (body.get("output_config") or {}).get("format") or {}
    tools = [Tool(of["name"], of["input_schema"]) for of in body.get("tools") or [] if "input_schema" in of]
    choice = body.get("tool_choice") or {}
    kind = choice.get("type")
    forced = kind in ("any", "tool")
    tool = None if kind == "none" else chosen(tools, forced=forced, name=choice.get("name") if forced else None)
    return Question(
        prompt=text_of([body.get("system"), [message["content"] for message in body["messages"]]]),
        counted=text_of([body.get("system"), body["messages"], body.get("tools"), form]),
        model=model,
        most_tokens=body.get("max_tokens"),
        schema=form["schema"] if form.get("type") == "json_schema" else None,
        tool=tool,
    )


def message(reply: Reply, *, batch: bool = False) -> Json:
    """The whole answer."""
    return {
        "id": f"msg_{uuid4().hex[:24]}",
        "type": "message",
        "role": "assistant",
        "model": reply.model.name,
        "content": [_block(reply)],
        "stop_reason": STOPS[reply.stop],
        "stop_sequence": None,
        "stop_details": None,
        "usage": {**_usage(reply), "service_tier": "batch" if batch else "standard"},
    }


def events(reply: Reply, whole: Json) -> list[bytes]:
    """The answer as events."""
    return [event({"type": name, **data}, name) for name, data in _events(reply, whole)]


def _events(reply: Reply, whole: Json) -> Iterator[tuple[str, Json]]:
    [block] = whole["content"]
    begun = {**whole, "content": [], "stop_reason": None, "usage": {**whole["usage"], "output_tokens": 1}}
    yield "message_start", {"message": begun}
    opened = {**block, "input": {}} if block["type"] == "tool_use" else {**block, "text": ""}
    yield "content_block_start", {"index": 0, "content_block": opened}
    yield "ping", {}
    kind, name = ("input_json_delta", "partial_json") if block["type"] == "tool_use" else ("text_delta", "text")
    for piece in pieces(reply.text):
        yield "content_block_delta", {"index": 0, "delta": {"type": kind, name: piece}}
    yield "content_block_stop", {"index": 0}
    delta = {"stop_reason": whole["stop_reason"], "stop_sequence": None, "stop_details": None}
    yield "message_delta", {"delta": delta, "usage": _usage(reply)}
    yield "message_stop", {}


def _block(reply: Reply) -> Json:
    if reply.tool is None:
        return {"type": "text", "text": reply.text, "citations": None}
    try:
        given = json.loads(reply.text)
    except ValueError:
        given = {}  # a call of a tool holds an object: of arguments that were cut nothing is left
    return {"type": "tool_use", "id": f"toolu_{uuid4().hex[:24]}", "name": reply.tool, "input": given}


def _usage(reply: Reply) -> Json:
    return {
        "input_tokens": reply.input_tokens - reply.cached_tokens,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": reply.cached_tokens,
        "output_tokens": reply.output_tokens,
    }
