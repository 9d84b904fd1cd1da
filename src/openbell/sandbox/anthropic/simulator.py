"""The routes below /anthropic. What is accepted is billed at once, by the table of llm/prices.py; batches at half."""

from __future__ import annotations

import json
from typing import Any
from uuid import uuid4

from openbell.sandbox.anthropic import messages
from openbell.sandbox.anthropic.batches import KINDS as BATCH_KINDS
from openbell.sandbox.anthropic.batches import MessageBatches
from openbell.sandbox.anthropic.errors import REFUSALS, bad, error
from openbell.sandbox.faults import Fault, FaultSpec
from openbell.sandbox.house import House
from openbell.sandbox.llm import replies
from openbell.sandbox.llm.events import MEDIA_TYPE, event
from openbell.sandbox.llm.prices import ANTHROPIC, tokens
from openbell.sandbox.simulator import Answer, Call, Refused, Simulator

Json = dict[str, Any]

MODELS_CREATED = "2026-10-21T00:00:00Z"


class Anthropic(Simulator):
    """Everything below /anthropic. `error_in_stream`: the stream ends with an error, and is billed."""

    name = "anthropic"
    mount = "/anthropic"
    data_class = "synthetic; invented answer, no model was asked"
    kinds = frozenset(REFUSALS) | replies.KINDS | BATCH_KINDS | {"html502", "error_in_stream"}
    timed = frozenset(("slow_run",))

    def __init__(self, house: House) -> None:
        super().__init__(house)
        self.on("GET", "v1/models", self.models)
        self.on("POST", "v1/messages", self.create)
        self.on("POST", "v1/messages/count_tokens", self.count)
        self._batches = MessageBatches(self, house.store(self.name), self._line)

    def admit(self, call: Call) -> None:
        """A key, in either header, and the version of the API."""
        if not self.house.knows(call.bearer() or call.headers.get("x-api-key", "")):
            raise Refused(error("unauthorized"))
        if not call.headers.get("anthropic-version"):
            raise bad("anthropic-version: header is required")

    def refusal(self, spec: FaultSpec) -> Answer | None:
        """Refusals that any path may give."""
        if spec.kind not in REFUSALS:
            return None
        return error(spec.kind, message=spec.text, retry_after_s=spec.retry_after_s)

    def unknown(self, call: Call) -> Answer:  # noqa: ARG002 - the same for all
        """A path that does not exist."""
        return bad("Not Found", 404, "not_found_error").answer

    async def models(self, _: Call) -> Answer:
        """The models that there are."""
        data = [
            {
                "type": "model",
                "id": model.name,
                "display_name": model.name,
                "created_at": MODELS_CREATED,
                "lifecycle": "active",
                "max_input_tokens": model.context_tokens,
            }
            for model in ANTHROPIC.values()
        ]
        return self.answer({"data": data, "has_more": False, "first_id": data[0]["id"], "last_id": data[-1]["id"]})

    async def create(self, call: Call) -> Answer:
        """A message, in JSON or as a stream."""
        body = _read(call)
        reply = replies.reply(messages.question(body), call.fault, self.house.moment().day)
        whole = messages.message(reply)
        call.refer(whole["id"])
        call.bill(usd_micro=reply.usd_micro(), calls=1)
        headers = {"request-id": f"req_{uuid4().hex[:24]}"}
        if not body.get("stream"):
            return self.answer(whole, headers=headers)
        parts = messages.events(reply, whole)
        if call.meets("error_in_stream"):
            _, kind, words, _ = REFUSALS["overloaded"]
            wrong = event({"type": "error", "error": {"type": kind, "message": words}}, "error")
            parts = [*parts[: len(parts) // 2], wrong]
        return Answer(200, parts, MEDIA_TYPE, self.labelled(headers))

    async def count(self, call: Call) -> Answer:
        """How many input tokens a request would have; free of charge."""
        question = messages.question(_read(call), counting=True)
        return self.answer({"input_tokens": tokens(question.counted)})

    def _line(self, params: Any, fault: Fault | None) -> tuple[Json, int]:
        try:
            if fault is not None and fault.kind in REFUSALS:
                raise Refused(error(fault.kind))
            reply = replies.reply(messages.question(params), fault, self.house.moment().day)
        except Refused as refused:
            return {"type": "errored", "error": json.loads(refused.answer.parts[0])}, 0
        return {"type": "succeeded", "message": messages.message(reply, batch=True)}, reply.usd_micro(half=True)


def _read(call: Call) -> Json:
    try:
        body = call.json()
    except ValueError as wrong:
        raise bad("The body is not valid JSON.") from wrong
    if not isinstance(body, dict):
        raise bad("The body must be a JSON object.")
    return body
