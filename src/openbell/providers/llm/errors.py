"""What refusals and failures of models mean, whichever library has raised them.

Their own texts repeat parts of the request, so that none of them is shown.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal

from pydantic_ai import ModelMessage, ModelResponse
from pydantic_ai import exceptions as ai

from openbell.engine.errors import NotInPlan, Permanent, ProducerError, ProviderStopped, RateLimited, Transient

Proof = Literal["never_sent", "refused", "open", "answered"]
"""What a failure proves: nothing left; it was turned down and is free; nothing at all; it was answered and is paid."""

LONGEST_PAUSE_S = 86_400.0
CODES = ("code", "type", "error_code", "reason")
MOST_DETAILS = 20
BAD_KEY = "API_KEY_INVALID"
SPEND_LIMITS = ("BILLING_DISABLED", "spend_limit", "credit_balance", "billing", "insufficient_quota")


@dataclass(frozen=True, slots=True)
class Meaning:
    """What is to be done, what is proven, and whether the provider is to blame."""

    error: ProducerError
    proof: Proof
    trouble: str | None = None


def meaning_of(error: ai.AgentRunError, provider: str, model: str, said: Sequence[ModelMessage] = ()) -> Meaning:
    """What an error of pydantic-ai stands for; ``said`` is the conversation so far.

    * bad key, no money: the provider stops until an operator acts; a rate limit pauses everybody
    * unknown model, too long a prompt, a rejected request, an answer of the wrong form: permanent
    * overloaded, out of order, broken, too slow: try again later
    """
    if isinstance(error, ai.UnexpectedModelBehavior | ai.UsageLimitExceeded):
        return Meaning(_bad_answer(error, model, said), "answered")
    if isinstance(error, ai.ModelConnectionError):
        return _broken(error, provider)
    if isinstance(error, ai.ModelRequestTimeout):
        return Meaning(Transient(f"{model} did not answer in time", code="timeout"), "open", "timeout")
    if not isinstance(error, ai.ModelAPIError):
        return Meaning(Permanent(f"{model} could not be asked: {type(error).__name__}", code="not_asked"), "open")
    meaning = _refusal(error, provider, model)
    # Within an answer that has begun, something may have been made, and is paid.
    return Meaning(meaning.error, "open", meaning.trouble) if error.in_stream else meaning


def _bad_answer(error: ai.AgentRunError, model: str, said: Sequence[ModelMessage]) -> Permanent:
    if isinstance(error, ai.ContentFilterError):
        return Permanent(f"{model} refused to answer", code="content_refused")
    last = next((message for message in reversed(said) if isinstance(message, ModelResponse)), None)
    if isinstance(error, ai.OutputTokenLimitExceeded) or (last is not None and last.finish_reason == "length"):
        return Permanent(f"the answer of {model} was cut off; allow it more tokens", code="output_cut_off")
    if isinstance(error, ai.UsageLimitExceeded):
        return Permanent(f"{model} did not come to an answer within its limits", code="usage_limit")
    return Permanent(f"{model} did not answer in the form that was asked for", code="invalid_output")


def _broken(error: ai.ModelConnectionError, provider: str) -> Meaning:
    if error.phase in ("pool", "connect"):
        return Meaning(Transient(f"{provider} could not be reached", code="unreachable"), "never_sent", "unreachable")
    if isinstance(error, ai.ModelTimeoutError):
        return Meaning(Transient(f"{provider} did not answer in time", code="timeout"), "open", "timeout")
    return Meaning(Transient(f"the connection to {provider} broke", code="broken"), "open", "broken")


def _refusal(error: ai.ModelAPIError, provider: str, model: str) -> Meaning:
    setting = f"{provider.upper().replace('-', '_')}_API_KEY"
    status = error.status_code if isinstance(error, ai.ModelHTTPError) else None
    if isinstance(error, ai.ModelQuotaExceededError) or _is_spend_limit(error):
        return _refused(
            ProviderStopped(f"the account at {provider} has no money left; add credit", code="account_exhausted")
        )
    if isinstance(error, ai.ModelRateLimitError):
        return _refused(RateLimited(f"{provider} asks to slow down", retry_after=_pause(error)))
    if isinstance(error, ai.ModelOverloadedError):
        busy = Transient(f"{provider} is overloaded", code="overloaded", retry_after=_pause(error))
        return Meaning(busy, "refused", "overloaded")
    if isinstance(error, ai.ModelUnavailableError | ai.ModelServerError):
        return Meaning(Transient(f"{provider} is out of order (HTTP {status})", code="outage"), "open", "outage")
    is_bad_key = BAD_KEY in _codes(error.body)  # Google's is a 400
    if isinstance(error, ai.ModelAuthenticationError) and status == 403 and not is_bad_key:
        return _refused(NotInPlan(f"the account at {provider} may not use {model}", code="model_not_in_plan"))
    if isinstance(error, ai.ModelAuthenticationError) or is_bad_key:
        return _refused(ProviderStopped(f"{provider} refuses the key; set {setting} to a valid one", code="bad_key"))
    if isinstance(error, ai.ModelNotFoundError):
        return _refused(Permanent(f"{provider} has no model {model!r}", code="unknown_model"))
    if isinstance(error, ai.ModelContextWindowExceededError):
        return _refused(Permanent(f"the prompt is too long for {model}", code="prompt_too_long"))
    if status is not None and 400 <= status < 500 and status not in (408, 409):
        return _refused(Permanent(f"{provider} does not take the request (HTTP {status})", code="invalid_request"))
    return Meaning(Permanent(f"{provider} answered with something unexpected", code="unexpected_answer"), "open")


def _refused(error: ProducerError) -> Meaning:
    return Meaning(error, "refused")


def _pause(error: ai.ModelAPIError) -> timedelta | None:
    return None if error.retry_after is None else timedelta(seconds=min(error.retry_after, LONGEST_PAUSE_S))


def _is_spend_limit(error: ai.ModelAPIError) -> bool:
    """Whether a refusal that looks like a rate limit says that the money is used up."""
    return any(word in code for code in _codes(error.body) for word in SPEND_LIMITS)


def _codes(body: Any) -> list[str]:
    """The codes and types anywhere in the body of an error; never its messages, which may quote the prompt."""
    if isinstance(body, list):  # as Google has it, also around the whole
        return [code for one in body[:MOST_DETAILS] for code in _codes(one)]
    if not isinstance(body, dict):
        return []
    own = [value for name, value in body.items() if name in CODES and isinstance(value, str)]
    return own + [code for name in ("error", "details") for code in _codes(body.get(name))]
