"""The routes below /openai/v1. What is accepted is billed at once, by the table of llm/prices.py; batches at half."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from uuid import uuid4

from openbell.sandbox.faults import Fault, FaultSpec
from openbell.sandbox.house import House
from openbell.sandbox.llm import replies
from openbell.sandbox.llm.batches import KINDS as BATCH_KINDS
from openbell.sandbox.llm.batches import BatchDesk, Done
from openbell.sandbox.llm.events import MEDIA_TYPE, event
from openbell.sandbox.llm.lifecycle import Record, status_at
from openbell.sandbox.llm.prices import OPENAI, Model, listing, tokens
from openbell.sandbox.llm.replies import Question, Reply
from openbell.sandbox.openai import chat, responses
from openbell.sandbox.simulator import Answer, Call, Refused, Simulator

Json = dict[str, Any]

# kind -> status, code, type, message
REFUSALS: Mapping[str, tuple[int, str | None, str, str]] = {
    "unauthorized": (401, "invalid_api_key", "invalid_request_error", "Incorrect API key provided."),
    "forbidden": (403, "unsupported_country_region_territory", "request_forbidden", "Country not supported."),
    "rate_limited": (429, "rate_limit_exceeded", "requests", "Rate limit reached for requests per minute (RPM)."),
    "rate_limited_ms": (429, "rate_limit_exceeded", "tokens", "Rate limit reached for tokens per minute (TPM)."),
    "insufficient_quota": (
        429,
        "insufficient_quota",
        "insufficient_quota",
        "You exceeded your current quota, please check your plan and billing details.",
    ),
    "billing_hard_limit_reached": (
        429,
        "billing_hard_limit_reached",
        "invalid_request_error",
        "Billing hard limit has been reached.",
    ),
    "credit_balance_exhausted": (429, "credit_balance_exhausted", "insufficient_quota", "Your credits are used up."),
    "organization_spend_limit_exceeded": (
        429,
        "organization_spend_limit_exceeded",
        "insufficient_quota",
        "The organization's spend limit is reached.",
    ),
    "project_spend_limit_exceeded": (
        429,
        "project_spend_limit_exceeded",
        "insufficient_quota",
        "The project's spend limit is reached.",
    ),
    "context_length": (
        400,
        "context_length_exceeded",
        "invalid_request_error",
        "This model's maximum context length is exceeded. Please reduce the length of the messages.",
    ),
    "model_not_found": (404, "model_not_found", "invalid_request_error", "The model does not exist."),
    "server_error": (500, None, "server_error", "The server had an error while processing your request."),
    "overloaded": (503, "server_is_overloaded", "service_unavailable_error", "The server is overloaded."),
}
# failed (responses: failed in a 200, not billed), stay_queued and slow_run (responses in the background, `seconds`),
# lost (made and billed, its id is not found), error_in_stream (the stream ends with an error, billed).
RUN_KINDS = frozenset(("failed", "stay_queued", "slow_run", "lost", "error_in_stream"))


def error(
    kind: str, *, message: str | None = None, param: str | None = None, retry_after_s: float | None = None
) -> Answer:
    """An error in OpenAI's form; `kind` is one of REFUSALS."""
    status, code, of_type, words = REFUSALS[kind]
    headers = {"x-request-id": f"req_{uuid4().hex}"}
    if retry_after_s is not None and kind == "rate_limited_ms":
        headers["retry-after-ms"] = f"{retry_after_s * 1000:g}"
    elif retry_after_s is not None:
        headers["retry-after"] = f"{retry_after_s:g}"
    return Answer.of_json(_error(message or words, of_type, param, code), status, headers)


def bad(status: int, message: str, param: str | None = None) -> Refused:
    """A request that cannot be taken."""
    return Refused(Answer.of_json(_error(message, "invalid_request_error", param, None), status))


def _error(message: str, of_type: str, param: str | None, code: str | None) -> Json:
    return {"error": {"message": message, "type": of_type, "param": param, "code": code}}


class OpenAi(Simulator):
    """Everything below /openai."""

    name = "openai"
    mount = "/openai"
    data_class = "synthetic; invented answer, no model was asked"
    kinds = frozenset(REFUSALS) | RUN_KINDS | replies.KINDS | BATCH_KINDS | {"html502"}
    timed = frozenset(("stay_queued", "slow_run"))

    def __init__(self, house: House) -> None:
        super().__init__(house)
        self._store = house.store(self.name)
        self.on("GET", "v1/models", self.models)
        self.on("POST", "v1/chat/completions", self.chat)
        self.on("POST", "v1/responses", self.respond)
        self.on("GET", "v1/responses/{id}", self.response)
        self.on("POST", "v1/responses/{id}/cancel", self.cancel)
        self._batches = BatchDesk(
            self,
            self._store,
            endpoints=frozenset(("/v1/chat/completions", "/v1/responses")),
            run=self._line,
            refuse=bad,
            by_key=False,
        )

    def admit(self, call: Call) -> None:
        """A key in the Authorization header."""
        if not self.house.knows(call.bearer()):
            raise Refused(error("unauthorized"))

    def refusal(self, spec: FaultSpec) -> Answer | None:
        """Refusals that any path may give."""
        if spec.kind not in REFUSALS:
            return None
        return error(spec.kind, message=spec.text, retry_after_s=spec.retry_after_s)

    def unknown(self, call: Call) -> Answer:
        """A path that does not exist."""
        return bad(404, f"Invalid URL ({call.method} /{call.path})").answer

    async def models(self, _: Call) -> Answer:
        """The models that there are."""
        return self.answer(listing(OPENAI))

    async def chat(self, call: Call) -> Answer:
        """A chat completion, in JSON or as a stream."""
        body = _read(call)
        reply = self._reply(chat.question, body, call.fault)
        identifier, created = f"chatcmpl-{uuid4().hex}", int(self.house.wall())
        call.refer(identifier)
        call.bill(usd_micro=reply.usd_micro(), calls=1)
        if not body.get("stream"):
            return self.answer(chat.completion(reply, identifier, created), headers={"x-request-id": identifier})
        with_usage = bool((body.get("stream_options") or {}).get("include_usage"))
        return self._streamed(call, chat.chunks(reply, identifier, created, with_usage=with_usage), None)

    async def respond(self, call: Call) -> Answer:
        """A response: at once, as a stream, or in the background."""
        body = _read(call)
        record = self._begin(body, call.fault)
        if not call.meets("lost"):
            self._store.put("run", record["id"], record)
        call.refer(record["id"])
        call.bill(usd_micro=record["usd_micro"], calls=1 if record["usd_micro"] else 0)
        if body.get("stream"):
            whole = responses.view({**record, "background": False}, self.house.wall())
            return self._streamed(call, responses.events(whole), "error")
        return self.answer(responses.view(record, self.house.wall()))

    async def response(self, call: Call) -> Answer:
        """A response as it is now."""
        record = self._record(call)
        if call.params.get("stream") == "true":
            text = call.params.get("starting_after", "")
            after = int(text) if text.isdecimal() else -1
            whole = responses.view({**record, "background": False}, self.house.wall())
            return self._streamed(call, responses.events(whole, after), "error")
        return self.answer(responses.view(record, self.house.wall()))

    async def cancel(self, call: Call) -> Answer:
        """Stop a response in the background; what it has not used is not billed, which here is all of it."""
        record, now = self._record(call), self.house.wall()
        if not record["background"]:
            raise bad(400, "Only responses in the background can be cancelled.")
        status = status_at(record, now)
        if status not in responses.TERMINAL:
            record = {**record, "cancelled_at": now, "cancelled_while": status}
            self._store.put("run", record["id"], record)
            entry = self.house.ledger.find(self.name, record["id"])
            if entry is not None and entry.billed:
                self.house.ledger.bill(entry, usd_micro=-entry.billed_usd_micro, calls=-entry.billed_calls)
        return self.answer(responses.view(record, now))

    def _begin(self, body: Json, fault: Fault | None) -> Record:
        return responses.begin(body, self._reply(responses.question, body, fault), fault, self.house.wall())

    def _reply(self, asked: Any, body: Json, fault: Fault | None) -> Reply:
        model = OPENAI.get(str(body.get("model")))
        if model is None:
            named = f"The model '{body.get('model')}' does not exist or you do not have access to it."
            raise Refused(error("model_not_found", message=named, param="model"))
        question = _asked(asked, body, model)
        if tokens(question.counted) > model.context_tokens:
            raise Refused(error("context_length", param="messages"))
        return replies.reply(question, fault, self.house.moment().day)

    def _line(self, endpoint: str, body: Any, fault: Fault | None) -> Done:
        """A line of a batch, at half the price."""
        try:
            if fault is not None and fault.kind in REFUSALS:
                raise Refused(error(fault.kind))
            asked = chat.question if endpoint == "/v1/chat/completions" else responses.question
            reply = self._reply(asked, body, fault)
        except Refused as refused:
            return Done(refused.answer.status, json.loads(refused.answer.parts[0]))
        now = self.house.wall()
        if asked is chat.question:
            made = chat.completion(reply, f"chatcmpl-{uuid4().hex}", int(now))
        else:
            made = responses.view(responses.begin({**body, "background": False}, reply, fault, now), now)
        return Done(200, made, reply.usd_micro(half=True), reply.input_tokens, reply.output_tokens)

    def _streamed(self, call: Call, parts: list[bytes], name: str | None) -> Answer:
        if call.meets("error_in_stream"):
            _, code, of_type, words = REFUSALS["overloaded"]
            wrong = {"message": words, "type": of_type, "code": code, "param": None}
            data = {**wrong, "type": "error", "sequence_number": 99} if name else {"error": wrong}
            parts = [*parts[: len(parts) // 2], event(data, name)]
        return Answer(200, parts, MEDIA_TYPE, self.labelled())

    def _record(self, call: Call) -> Record:
        call.refer(call.arguments["id"])
        record: Record | None = self._store.get("run", call.arguments["id"])
        if record is None or not record["store"]:
            raise bad(404, f"Response with id '{call.arguments['id']}' not found.", "id")
        return record


def _read(call: Call) -> Json:
    try:
        body = call.json()
    except ValueError as wrong:
        raise bad(400, "We could not parse the JSON body of your request.") from wrong
    if not isinstance(body, dict):
        raise bad(400, "The body must be a JSON object.")
    return body


def _asked(asked: Any, body: Json, model: Model) -> Question:
    try:
        question: Question = asked(body, model)
    except (KeyError, TypeError, AttributeError) as wrong:
        raise bad(400, f"Invalid request: {type(wrong).__name__} {wrong}") from wrong
    return question
