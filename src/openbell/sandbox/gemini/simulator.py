"""The routes below /gemini/v1beta/openai. What is accepted is billed at once, by the table of llm/prices.py."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import uuid4

from openbell.sandbox.faults import FaultSpec
from openbell.sandbox.house import House
from openbell.sandbox.llm import replies
from openbell.sandbox.llm.events import MEDIA_TYPE
from openbell.sandbox.llm.prices import GEMINI, listing, tokens
from openbell.sandbox.openai import chat
from openbell.sandbox.simulator import Answer, Call, Refused, Simulator

Json = dict[str, Any]

# kind -> HTTP status, status in words, reason of the details, message
REFUSALS: Mapping[str, tuple[int, str, str | None, str]] = {
    "unauthorized": (400, "INVALID_ARGUMENT", "API_KEY_INVALID", "API key not valid. Please pass a valid API key."),
    "forbidden": (403, "PERMISSION_DENIED", "SERVICE_DISABLED", "The API has not been used in this project before."),
    "rate_limited": (429, "RESOURCE_EXHAUSTED", None, "You exceeded your current quota of requests per minute."),
    "billing_disabled": (
        403,
        "PERMISSION_DENIED",
        "BILLING_DISABLED",
        "This API method requires billing to be enabled.",
    ),
    "context_length": (400, "INVALID_ARGUMENT", None, "The input token count exceeds the maximum number of tokens."),
    "model_not_found": (404, "NOT_FOUND", None, "The model is not found for API version v1main."),
    "server_error": (500, "INTERNAL", None, "An internal error has occurred. Please retry."),
    "overloaded": (503, "UNAVAILABLE", None, "The model is overloaded. Please try again later."),
}


def error(kind: str, *, message: str | None = None, retry_after_s: float | None = None) -> Answer:
    """An error in Google's form; `kind` is one of REFUSALS."""
    status, name, reason, words = REFUSALS[kind]
    told: Json = {"code": status, "message": message or words, "status": name}
    details: list[Json] = []
    if reason:
        details.append(
            {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": reason, "domain": "googleapis.com"}
        )
    if retry_after_s is not None:
        details.append({"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": f"{retry_after_s:g}s"})
    if details:
        told["details"] = details
    return Answer.of_json([{"error": told}], status)


def bad(message: str) -> Refused:
    """A request that cannot be taken."""
    return Refused(Answer.of_json([{"error": {"code": 400, "message": message, "status": "INVALID_ARGUMENT"}}], 400))


class Gemini(Simulator):
    """Everything below /gemini."""

    name = "gemini"
    mount = "/gemini"
    data_class = "synthetic; invented answer, no model was asked"
    kinds = frozenset(REFUSALS) | replies.KINDS | {"html502"}

    def __init__(self, house: House) -> None:
        super().__init__(house)
        self.on("GET", "v1beta/openai/models", self.models)
        self.on("POST", "v1beta/openai/chat/completions", self.chat)

    def admit(self, call: Call) -> None:
        """A key in the Authorization header."""
        if not self.house.knows(call.bearer()):
            raise Refused(error("unauthorized"))

    def refusal(self, spec: FaultSpec) -> Answer | None:
        """Refusals that any path may give."""
        if spec.kind not in REFUSALS:
            return None
        return error(spec.kind, message=spec.text, retry_after_s=spec.retry_after_s)

    def unknown(self, call: Call) -> Answer:  # noqa: ARG002 - the same for all
        """A path that does not exist."""
        return Answer.of_json([{"error": {"code": 404, "message": "Not found", "status": "NOT_FOUND"}}], 404)

    async def models(self, _: Call) -> Answer:
        """The models that there are."""
        return self.answer(listing(GEMINI))

    async def chat(self, call: Call) -> Answer:
        """A chat completion, in JSON or as a stream."""
        try:
            body = call.json()
            model = GEMINI.get(str(body["model"]).removeprefix("models/"))
            if model is None:
                raise Refused(error("model_not_found"))
            question = chat.question(body, model)
        except (ValueError, KeyError, TypeError, AttributeError) as wrong:
            raise bad(f"Invalid JSON payload received: {type(wrong).__name__}") from wrong
        if tokens(question.counted) > model.context_tokens:
            raise Refused(error("context_length"))
        reply = replies.reply(question, call.fault, self.house.moment().day)
        identifier, created = uuid4().hex[:22], int(self.house.wall())
        call.refer(identifier)
        call.bill(usd_micro=reply.usd_micro(), calls=1)
        if body.get("stream"):
            parts = chat.chunks(reply, identifier, created, with_usage=True)
            return Answer(200, parts, MEDIA_TYPE, self.labelled())
        return self.answer(chat.completion(reply, identifier, created))
