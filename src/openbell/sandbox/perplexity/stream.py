"""A run as server-sent events, numbered from 0, so that a broken stream can be resumed after any of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from openbell.sandbox.llm.events import event, pieces

Json = dict[str, Any]


def parts(view: Json, after: int = -1) -> list[bytes]:
    """The events of an ended run with numbers above `after`, encoded."""
    made = []
    for number, (name, data) in enumerate(_events(view)):
        if number > after:
            made.append(event({"type": name, "sequence_number": number, **data}, name))
    return made


def _events(view: Json) -> Iterator[tuple[str, Json]]:
    begun = {**view, "status": "in_progress", "output": [], "usage": None, "error": None}
    yield "response.created", {"response": begun}
    yield "response.in_progress", {"response": begun}
    for index, item in enumerate(view["output"]):
        yield from _item(index, item)
    if view["status"] == "failed":
        yield "response.failed", {"error": view["error"], "response": view}
    else:
        yield "response.completed", {"response": view}


def _item(index: int, item: Json) -> Iterator[tuple[str, Json]]:
    if item["type"] == "search_results":
        yield "response.reasoning.started", {"thought": "Looking for pages (synthetic)."}
        yield "response.reasoning.search_queries", {"queries": item["queries"]}
        yield "response.reasoning.search_results", {"results": item["results"]}
        yield "response.reasoning.stopped", {}
    if item["type"] != "message":
        yield "response.output_item.added", {"item": item, "output_index": index}
        yield "response.output_item.done", {"item": item, "output_index": index}
        return
    place = {"item_id": item["id"], "output_index": index, "content_index": 0}
    empty = {**item, "status": "in_progress", "content": []}
    yield "response.output_item.added", {"item": empty, "output_index": index}
    text = item["content"][0]["text"]
    for piece in pieces(text):
        yield "response.output_text.delta", {**place, "delta": piece}
    yield "response.output_text.done", {**place, "text": text}
    yield "response.output_item.done", {"item": item, "output_index": index}
