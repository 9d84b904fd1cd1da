"""What the Agent API answers: runs, and refusals by what is to be done about them.

A run that has failed comes with HTTP status 200. Fields may be missing and kinds of output may be new; what is not
understood is passed over, and only what is needed and absent is an error.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from pydantic import BaseModel

from openbell.engine.errors import Permanent, ProducerError, ProviderStopped, RateLimited, Transient
from openbell.providers.money import micro
from openbell.providers.pauses import asked_pause
from openbell.providers.wire import Answer

RUNNING = frozenset({"queued", "in_progress", "cancelling"})
RETIRED = frozenset({"chat_completions_not_available", "agent_api_migration_required"})
EXHAUSTED = ("insufficient_quota", "insufficient credit", "insufficient balance", "out of credit", "quota exceeded")
"""What the service writes, as far as it has been seen, when the account has no money left."""

MOST_WORDS = 200


class Source(BaseModel):
    """A search result that the run was shown. ``id`` is what the text refers to in brackets."""

    id: str | None = None
    url: str
    title: str = ""
    date: str | None = None


class Usage(BaseModel):
    """Tokens in and out, and how often each tool was used."""

    input_tokens: int = 0
    output_tokens: int = 0
    tools: dict[str, int] = {}


class Run(BaseModel):
    """One run as it stands. ``effort`` is what was asked for, ``model`` what answered.

    ``data`` is the answer as JSON, where a schema was sent. ``cost_micro`` is what the service says it cost, in
    micro-dollars, None where it does not say. ``failure`` says why a run that has ended brought nothing.
    """

    id: str
    status: str
    effort: str | None = None
    model: str | None = None
    text: str = ""
    data: Any = None
    sources: list[Source] = []
    usage: Usage | None = None
    cost_micro: int | None = None
    failure: tuple[str, str] | None = None
    host: str | None = None
    synthetic: str | None = None

    @property
    def running(self) -> bool:
        """Whether it goes on."""
        return self.status in RUNNING

    def error(self) -> Permanent | None:
        """Why there is no answer, for a run that has ended: it is paid, and the same again would be another run."""
        if self.failure is None:
            return None
        code, words = self.failure
        return Permanent(f"the run {self.id} of Perplexity brought nothing: {words}", code=code)


def read_json(body: bytes) -> Any:
    """JSON with exact decimals. Raises ``ValueError``."""
    try:
        return json.loads(body, parse_float=Decimal, parse_constant=_no_number)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _no_number(word: str) -> None:
    raise ValueError(f"{word} is no number")


def read_answer(answer: Answer) -> dict[str, Any] | ProducerError:
    """The object in an answer, or the error that it stands for."""
    if not 200 <= answer.status < 300:
        return refusal(answer.status, answer.body, answer.headers)
    try:
        value = read_json(answer.body)
    except ValueError:
        return Transient("Perplexity answered with something that is not JSON", code="not_json")
    if not isinstance(value, dict):
        return Transient("Perplexity answered with something that is no object", code="unexpected_answer")
    return value


def read_run(value: Mapping[str, Any], *, effort: str | None = None, structured: bool = False) -> Run | Transient:
    """The run that an object describes."""
    if not isinstance(value.get("id"), str) or not isinstance(value.get("status"), str):
        return Transient("Perplexity answered without the id or the status of the run", code="unexpected_answer")
    items = [item for item in _list(value.get("output")) if isinstance(item, dict)]
    run = Run(
        id=value["id"],
        status=value["status"],
        effort=effort,
        model=_text(value.get("model")),
        text=_said(items),
        sources=[source for item in items if item.get("type") == "search_results" for source in _sources(item)],
        usage=_usage(value.get("usage")),
        cost_micro=_cost(value.get("usage")),
    )
    if not run.running:
        run.failure = _failure(run.status, value.get("error"))
    if structured and run.status == "completed":
        try:
            run.data = json.loads(run.text)
        except (ValueError, RecursionError):
            run.failure = ("invalid_output", "its text is not the JSON that was asked for")
    return run


def _failure(status: str, error: Any) -> tuple[str, str] | None:
    if status == "completed":
        return None
    codes = {"failed": "run_failed", "cancelled": "run_cancelled", "incomplete": "run_incomplete"}
    words = [_text(error.get(name)) for name in ("type", "code", "message")] if isinstance(error, dict) else []
    said = ": ".join(word for word in words if word) or f"it ended as {status}"
    return codes.get(status, "run_ended"), said[:MOST_WORDS]


def _said(items: list[dict[str, Any]]) -> str:
    parts = [part for item in items if item.get("type") == "message" for part in _list(item.get("content"))]
    return "".join(
        part["text"]
        for part in parts
        if isinstance(part, dict) and part.get("type") == "output_text" and isinstance(part.get("text"), str)
    )


def _sources(item: Mapping[str, Any]) -> list[Source]:
    return [
        Source(
            id=_text(found.get("id")),
            url=found["url"],
            title=_text(found.get("title")) or "",
            date=_text(found.get("date")),
        )
        for found in _list(item.get("results"))
        if isinstance(found, dict) and isinstance(found.get("url"), str)
    ]


def _usage(usage: Any) -> Usage | None:
    if not isinstance(usage, dict):
        return None
    details = usage.get("tool_calls_details")
    tools = {
        str(name): _whole(one.get("invocation"))
        for name, one in (details.items() if isinstance(details, dict) else ())
        if isinstance(one, dict)
    }
    return Usage(
        input_tokens=_whole(usage.get("input_tokens")), output_tokens=_whole(usage.get("output_tokens")), tools=tools
    )


def _cost(usage: Any) -> int | None:
    cost = usage.get("cost") if isinstance(usage, dict) else None
    if not isinstance(cost, dict) or cost.get("currency", "USD") != "USD":
        return None
    total = cost.get("total_cost")
    return micro(Decimal(total)) if isinstance(total, (int, Decimal)) and not isinstance(total, bool) else None


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _text(value: Any) -> str | None:
    """A short text; numbers become text, since the service is not of one mind about ids and codes."""
    return str(value) if isinstance(value, (str, int, Decimal)) and not isinstance(value, bool) else None


def _whole(value: Any) -> int:
    return value if type(value) is int and value >= 0 else 0


def refusal(status: int, body: bytes, headers: Mapping[str, str]) -> ProducerError:
    """What the service means by a refusal: ``{"error": {"message", "type", "code"}}``.

    * bad key, key of an organisation, no money: the provider stops until an operator acts
    * rate limit: everybody pauses
    * a retired path, a body that it does not take, an unknown id: permanent
    * anything of 500 and above: try again later
    """
    kind, said = _complaint(body)
    words = f"{kind} {said}".lower()
    if status >= 500:
        return Transient(f"Perplexity is out of order (HTTP {status})", code="outage")
    if status == 402 or any(word in words for word in EXHAUSTED):
        return ProviderStopped("the account at Perplexity has no money left; add credit", code="account_exhausted")
    if status == 429:
        return RateLimited("Perplexity asks to slow down", retry_after=asked_pause(headers))
    if status == 401:
        return ProviderStopped("Perplexity refuses the key; set PPLX_API_KEY to a valid one", code="bad_key")
    if kind in RETIRED:
        return Permanent("Perplexity has retired this path; update openbell", code="retired_path")
    if status == 403:
        if "organization" in words:
            return ProviderStopped(
                "Perplexity takes no key of an organisation here; set PPLX_API_KEY to one of a project",
                code="organisation_key",
            )
        return ProviderStopped("Perplexity does not allow this account to ask; look at its console", code="forbidden")
    if status == 404:
        return Permanent("Perplexity does not know what was asked about", code="not_found")
    if status in (400, 422):
        return Permanent(f"Perplexity does not take the request: {said or 'no reason given'}", code="invalid_request")
    return Permanent(f"Perplexity refused the call (HTTP {status})", code=f"http_{status}")


def _complaint(body: bytes) -> tuple[str, str]:
    """The type and the message of an error, as far as there are any."""
    try:
        value = read_json(body)
    except ValueError:
        return "", ""
    error = value.get("error") if isinstance(value, dict) else None
    if not isinstance(error, dict):
        return "", ""
    kind, code = _text(error.get("type")) or "", _text(error.get("code")) or ""
    # The name of an error is in `type`, and in some captures in `code`, where others have the HTTP status.
    return (code if code in RETIRED else kind), (_text(error.get("message")) or "")[:MOST_WORDS]
