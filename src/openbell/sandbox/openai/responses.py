"""Responses: the question in a request, the record of a run, its view at a time, and its events."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

from openbell.sandbox.faults import Fault
from openbell.sandbox.llm.events import event, pieces
from openbell.sandbox.llm.lifecycle import QUEUE_S, WORK_S, Record, status_at
from openbell.sandbox.llm.prices import Model, text_of
from openbell.sandbox.llm.replies import Question, Reply, Tool, chosen

Json = dict[str, Any]

TERMINAL = frozenset(("completed", "failed", "incomplete", "cancelled"))


def question(body: Json, model: Model) -> Question:
    """What a request asks for. Raises KeyError, TypeError or AttributeError for what cannot be understood."""
    form = (body.get("text") or {}).get("format") or {}
    tools = [Tool(of["name"], of.get("parameters", {})) for of in body.get("tools") or [] if of["type"] == "function"]
    choice = body.get("tool_choice")
    name = choice.get("name") if isinstance(choice, dict) else None
    tool = None if choice == "none" else chosen(tools, forced=choice == "required", name=name)
    return Question(
        prompt=text_of([body.get("instructions"), body["input"]]),
        counted=text_of([body.get("instructions"), body["input"], body.get("tools"), form]),
        model=model,
        most_tokens=body.get("max_output_tokens"),
        schema=form["schema"] if form.get("type") == "json_schema" else None,
        tool=tool,
    )


def begin(body: Json, reply: Reply, fault: Fault | None, now: float) -> Record:
    """Everything about a run, decided when it is accepted."""
    kind = fault.kind if fault else None
    waits = fault.spec.seconds if fault else 0.0
    status = "failed" if kind == "failed" else "incomplete" if reply.stop == "length" else "completed"
    return {
        "id": f"resp_{uuid4().hex}",
        "created": now,
        "background": bool(body.get("background")),
        "queue_s": waits if kind == "stay_queued" else QUEUE_S,
        "work_s": waits if kind == "slow_run" else WORK_S,
        "status": status,
        "cancelled_at": None,
        "cancelled_while": None,
        "store": body.get("store", True),
        "usd_micro": 0 if kind == "failed" else reply.usd_micro(),
        "usage": None if kind == "failed" else _usage(reply),
        "output": [] if kind == "failed" else [_item(reply)],
        "error": {"code": "server_error", "message": "The run failed (scripted)."} if kind == "failed" else None,
        "told": {
            "model": reply.model.name,
            "instructions": body.get("instructions"),
            "metadata": body.get("metadata") or {},
            "max_output_tokens": body.get("max_output_tokens"),
            "parallel_tool_calls": body.get("parallel_tool_calls", True),
            "previous_response_id": body.get("previous_response_id"),
            "temperature": body.get("temperature", 1.0),
            "top_p": body.get("top_p", 1.0),
            "text": body.get("text") or {"format": {"type": "text"}},
            "tool_choice": body.get("tool_choice", "auto"),
            "tools": body.get("tools") or [],
            "truncation": "disabled",
        },
    }


def view(record: Record, now: float) -> Json:
    """The response object as it is read at a time."""
    status = status_at(record, now)
    done = status in TERMINAL and status != "cancelled"
    return {
        "id": record["id"],
        "object": "response",
        "created_at": int(record["created"]),
        "status": status,
        "background": record["background"],
        "store": record["store"],
        "error": record["error"] if done else None,
        "incomplete_details": {"reason": "max_output_tokens"} if status == "incomplete" else None,
        "output": record["output"] if done else [],
        "usage": record["usage"] if done else None,
        **record["told"],
    }


def events(whole: Json, after: int = -1) -> list[bytes]:
    """The events of an ended run with numbers above `after`."""
    numbered = enumerate(_events(whole))
    return [event({"type": name, "sequence_number": n, **data}, name) for n, (name, data) in numbered if n > after]


def _events(whole: Json) -> Iterator[tuple[str, Json]]:
    begun = {**whole, "status": "in_progress", "output": [], "usage": None, "error": None, "incomplete_details": None}
    yield "response.created", {"response": begun}
    yield "response.in_progress", {"response": begun}
    for item in whole["output"]:
        place = {"item_id": item["id"], "output_index": 0}
        if item["type"] == "message":
            yield from _message_events(item, {**place, "content_index": 0})
        else:
            opened = {**item, "arguments": "", "status": "in_progress"}
            yield "response.output_item.added", {"item": opened, "output_index": 0}
            for piece in pieces(item["arguments"]):
                yield "response.function_call_arguments.delta", {**place, "delta": piece}
            done = {"arguments": item["arguments"], "name": item["name"]}
            yield "response.function_call_arguments.done", {**place, **done}
        yield "response.output_item.done", {"item": item, "output_index": 0}
    yield f"response.{whole['status']}", {"response": whole}


def _message_events(item: Json, place: Json) -> Iterator[tuple[str, Json]]:
    [part] = item["content"]
    empty = {**part, "text": ""}
    yield "response.output_item.added", {"item": {**item, "status": "in_progress", "content": []}, "output_index": 0}
    yield "response.content_part.added", {**place, "part": empty}
    for piece in pieces(part["text"]):
        yield "response.output_text.delta", {**place, "delta": piece, "logprobs": []}
    yield "response.output_text.done", {**place, "text": part["text"], "logprobs": []}
    yield "response.content_part.done", {**place, "part": part}


def _usage(reply: Reply) -> Json:
    return {
        "input_tokens": reply.input_tokens,
        "input_tokens_details": {"cached_tokens": reply.cached_tokens, "cache_write_tokens": 0},
        "output_tokens": reply.output_tokens,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": reply.input_tokens + reply.output_tokens,
    }


def _item(reply: Reply) -> Json:
    status = "incomplete" if reply.stop == "length" else "completed"
    if reply.tool is not None:
        named = {"name": reply.tool, "arguments": reply.text, "call_id": f"call_{uuid4().hex}"}
        return {"type": "function_call", "id": f"fc_{uuid4().hex}", "status": status, **named}
    part = {"type": "output_text", "text": reply.text, "annotations": [], "logprobs": []}
    return {"type": "message", "id": f"msg_{uuid4().hex}", "status": status, "role": "assistant", "content": [part]}
