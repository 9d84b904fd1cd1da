"""ScrapFly: pages that are not to be had directly (scrapfly.io/docs/scrape-api).

One GET to one endpoint, paid in credits. What a page costs is known only afterwards, from a header: the most that it
may cost is held before, and sent along as the budget, so that the service stops where the hold ends. The service takes
its key in the address and nowhere else; it is put there below everything that logs or shows addresses.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal

import httpx

from openbell.engine.attempt import Attempt
from openbell.engine.errors import Permanent, ProducerError, ProviderStopped, RateLimited, Transient
from openbell.engine.ledger import Limit
from openbell.providers import wire
from openbell.providers.pauses import asked_pause

NAME = "ScrapFly"
SCRAPE_S = 60
TIMEOUT_S = 75.0
SLOW = timedelta(seconds=70)
MOST_BYTES = 16 * 1024 * 1024

Pool = Literal["public_datacenter_pool", "public_residential_pool"]
Format = Literal["raw", "text", "markdown", "clean_html", "json"]

CREDITS: Mapping[str, int] = {"public_datacenter_pool": 1, "public_residential_pool": 25}
"""Credits for a page by the network it is fetched through, as of 2026-11: scrapfly.io/docs/scrape-api/billing."""

BROWSER_CREDITS = 5

PLANS: Mapping[str, int] = {
    "free": 1_000,
    "discovery": 200_000,
    "pro": 1_000_000,
    "startup": 2_500_000,
    "enterprise": 5_500_000,
}
"""Credits a month by plan, as of 2026-11: scrapfly.io/pricing."""


def limits(
    plan: str, *, calls_per_minute: int | None = None, at_once: int | None = None, margin: float = 0.95
) -> list[Limit]:
    """The limits of a plan as accounts: its credits in any 31 days, kept at ``margin``.

    ``calls_per_minute`` and ``at_once`` are the throttles of the project, which are set at the service; without them
    60 calls a minute are made. Raises ``KeyError`` for an unknown plan.
    """
    granted, month, hour = int(PLANS[plan] * margin), timedelta(days=31), timedelta(hours=1)
    accounts = [
        Limit("scrapfly", "credits", "31 days", granted, span=month, grain=hour),
        Limit("scrapfly", "calls", "minute", calls_per_minute or 60, span=timedelta(minutes=1)),
    ]
    if at_once is not None:
        accounts.append(Limit("scrapfly", "calls", "at once", at_once, closes="release"))
    return accounts


class _KeyInAddress(httpx.AsyncHTTPTransport):
    """Adds the key to the address of what leaves. The client, its log and its errors know only the address without."""

    def __init__(self, key: str) -> None:
        super().__init__(limits=httpx.Limits(max_connections=20, max_keepalive_connections=5))
        self._key = key

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        keyed = request.url.copy_set_param("key", self._key)
        return await super().handle_async_request(
            httpx.Request(
                request.method, keyed, headers=request.headers, stream=request.stream, extensions=request.extensions
            )
        )


def open_http(base_url: str, key: str) -> httpx.AsyncClient:
    """The connection pool to the service. It uses no proxy of the environment, and follows no redirects."""
    return httpx.AsyncClient(
        base_url=f"{base_url.rstrip('/')}/",
        headers={"user-agent": "openbell/0.1"},
        timeout=httpx.Timeout(TIMEOUT_S, connect=10),
        transport=_KeyInAddress(key),
    )


@dataclass(frozen=True, slots=True)
class Page:
    """A page as it was found. ``url`` is where it was in the end, ``status`` what its own server said."""

    url: str
    status: int
    content: str
    credits: int | None
    synthetic: str | None


def most_credits(*, asp: bool, render_js: bool, pool: Pool) -> int:
    """What a page may cost: with ``asp`` the service may change to the dearest network and to a browser by itself."""
    if asp:
        return max(CREDITS.values()) + BROWSER_CREDITS
    return CREDITS[pool] + (BROWSER_CREDITS if render_js else 0)


class Scrapfly:
    """The service as one attempt may use it."""

    def __init__(self, http: httpx.AsyncClient, attempt: Attempt) -> None:
        self._http, self._attempt = http, attempt

    async def scrape(
        self,
        url: str,
        *,
        format: Format = "raw",  # noqa: A002 (the service's own word)
        country: str | None = None,
        asp: bool = False,
        render_js: bool = False,
        pool: Pool = "public_datacenter_pool",
        budget: int | None = None,
        key: str | None = None,
    ) -> Page:
        """The page at ``url``, for at most ``budget`` credits (by default what it may cost at most).

        With a ``key`` a page whose answer was lost is not paid for again: `answer_lost`. Without one it is.

        Raises :class:`Permanent` with `page_gone`, `page_forbidden` or `page_unavailable` for what the page's own
        server refuses, with `cost_budget` when it cannot be had for that much, and what :func:`refusal` tells apart.
        """
        most = most_credits(asp=asp, render_js=render_js, pool=pool)
        held = most if budget is None else min(budget, most)
        params = {
            "url": url,
            "format": format,
            "proxy_pool": pool,
            "cost_budget": str(held),
            # One attempt, and no longer than we wait: repeating is for the queue.
            "retry": "false",
            "timeout": str(SCRAPE_S * 1_000),
            **({"country": country} if country else {}),
            **({"asp": "true"} if asp else {}),
            **({"render_js": "true"} if render_js else {}),
        }
        timeout = wire.call_time(TIMEOUT_S)
        spends = self._attempt.spends("scrapfly")
        effect: Literal["repeat", "lookup"] = "repeat" if key is None else "lookup"
        async with spends.call(
            "scrape", effect=effect, idempotency_key=key, timeout=timeout, slow=SLOW, credits=held
        ) as call:
            if call.resumed:
                call.unclear("answer lost")
                raise Permanent("the page was asked for by an attempt that ended before it came", code="answer_lost")
            params["correlation_id"] = f"openbell-{call.spend_id}"
            answer = await wire.exchange(
                self._http, call, "GET", "scrape", name=NAME, params=params, most_bytes=MOST_BYTES
            )
            if (cost := _cost(answer)) is not None:
                call.took(credits=cost)
            page = read_page(answer, cost)
            if isinstance(page, ProducerError):
                call.took(outcome=page.code)
                raise page
        self._attempt.cite(
            provider="scrapfly", operation="scrape", host=wire.host_of(self._http), synthetic=answer.synthetic
        )
        return page


UNPAID = frozenset({400, 401, 402, 403, 404, 429})


def _cost(answer: wire.Answer) -> int | None:
    """The credits that the service took; None where it does not say and may have taken some."""
    said = answer.headers.get("x-scrapfly-api-cost", "")
    if said.isascii() and said.isdigit():
        return int(said[:9])
    return 0 if answer.status in UNPAID else None


def read_page(answer: wire.Answer, cost: int | None = None) -> Page | ProducerError:
    """The page in an answer that took ``cost`` credits, or the error that it stands for."""
    body = _body(answer)
    found = body.get("result")
    result = found if isinstance(found, dict) else {}
    complaint = result.get("error")
    error = complaint if isinstance(complaint, dict) else {}
    code = answer.headers.get("x-scrapfly-reject-code") or _word(error.get("code")) or _word(body.get("code"))
    upstream = _status(answer.headers.get("x-scrapfly-upstream-http-code")) or _status(result.get("status_code"))
    retryable = _flag(answer.headers.get("x-scrapfly-reject-retryable"), error.get("retryable", body.get("retryable")))
    if code == "ERR::SCRAPE::BAD_UPSTREAM_RESPONSE" or (not code and answer.status == 200 and (upstream or 0) >= 400):
        return _page_refused(upstream or 0, retryable)
    if code or answer.status != 200:
        return refusal(code or "", answer.status, retryable, answer.headers)
    content = result.get("content")
    if not isinstance(content, str) or result.get("success") is False:
        return Transient(f"{NAME} answered without a page", code="unexpected_answer")
    return Page(_word(result.get("url")) or "", upstream or 200, content, cost, answer.synthetic)


def _body(answer: wire.Answer) -> dict[str, Any]:
    try:
        value = answer.json()
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def _word(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


def _status(value: Any) -> int | None:
    """An HTTP status, written as a number or as digits."""
    text = str(value)
    return int(text) if text.isascii() and text.isdigit() and len(text) == 3 else None


def _flag(header: str | None, field: Any) -> bool | None:
    if header is not None:
        return header.strip().lower() in ("true", "1", "yes")
    return field if isinstance(field, bool) else None


def _page_refused(status: int, retryable: bool | None) -> ProducerError:
    said = f"the page's own server answered with HTTP {status}"
    if status in (404, 410):
        return Permanent(said, code="page_gone")
    if status in (401, 402, 403, 451):
        return Permanent(said, code="page_forbidden")
    kind = Transient if retryable else Permanent
    return kind(said, code="page_unavailable")


_REFUSALS: Mapping[str, tuple[type[ProducerError], str, timedelta | None, str]] = {
    "ERR::THROTTLE::MAX_REQUEST_RATE_EXCEEDED": (
        RateLimited,
        "rate_limited",
        timedelta(minutes=1),
        "ScrapFly says that the calls of this minute are used up",
    ),
    "ERR::THROTTLE::MAX_CONCURRENT_REQUEST_EXCEEDED": (
        RateLimited,
        "too_many_at_once",
        timedelta(seconds=5),
        "ScrapFly says that too many pages are fetched at once",
    ),
    "ERR::SCRAPE::TOO_MANY_CONCURRENT_REQUEST": (
        RateLimited,
        "too_many_at_once",
        timedelta(seconds=5),
        "ScrapFly says that too many pages are fetched at once",
    ),
    "ERR::THROTTLE::MAX_API_CREDIT_BUDGET_EXCEEDED": (
        RateLimited,
        "credit_budget",
        timedelta(hours=1),
        "the credit budget of the project at ScrapFly is used up",
    ),
    "ERR::SCRAPE::QUOTA_LIMIT_REACHED": (
        ProviderStopped,
        "account_exhausted",
        None,
        "the credits of this month at ScrapFly are used up; upgrade the plan or wait",
    ),
    "ERR::SCRAPE::PROJECT_QUOTA_LIMIT_REACHED": (
        ProviderStopped,
        "account_exhausted",
        None,
        "the project's credits at ScrapFly are used up; raise its limit",
    ),
    "ERR::ACCOUNT::PAYMENT_REQUIRED": (
        ProviderStopped,
        "account_exhausted",
        None,
        "ScrapFly wants to be paid; look at its dashboard",
    ),
    "ERR::ACCOUNT::SUSPENDED": (
        ProviderStopped,
        "account_suspended",
        None,
        "ScrapFly has suspended the account; ask ScrapFly",
    ),
    "ERR::SCRAPE::COST_BUDGET_LIMIT": (
        Permanent,
        "cost_budget",
        None,
        "the page cannot be had for the credits that were allowed; allow more",
    ),
}
"""By code of the service (scrapfly.io/docs/scrape-api/errors): the error, our code, how long to wait, what to do."""


def refusal(code: str, status: int, retryable: bool | None, headers: Mapping[str, str]) -> ProducerError:
    """What the service means by a refusal.

    * throttles pause everybody; no credits, no payment, a bad key stop the provider until an operator acts
    * whatever else has a code is tried again if, and only if, the service says that it may be
    * without a code the status decides
    """
    if code in _REFUSALS:
        kind, ours, pause, sentence = _REFUSALS[code]
        return kind(sentence, code=ours, retry_after=(pause and asked_pause(headers)) or pause)
    if status == 401:
        return ProviderStopped(f"{NAME} refuses the key; set SCRAPFLY_API_KEY to a valid one", code="bad_key")
    if status == 402:
        return ProviderStopped(f"{NAME} wants to be paid; look at its dashboard", code="account_exhausted")
    if code:
        kind = Transient if retryable else Permanent
        return kind(f"{NAME} could not fetch the page: {code[:80]}", code=_slug(code))
    if status == 429:
        return RateLimited(f"{NAME} asks to slow down", retry_after=asked_pause(headers))
    if status >= 500:
        return Transient(f"{NAME} is out of order (HTTP {status})", code="outage")
    if retryable:
        return Transient(f"{NAME} could not fetch the page (HTTP {status})", code=f"http_{status}")
    return Permanent(f"{NAME} refused the call (HTTP {status})", code=f"http_{status}")


def _slug(code: str) -> str:
    """`ERR::ASP::SHIELD_PROTECTION_FAILED` → `asp_shield_protection_failed`."""
    return "_".join(part for part in code.lower().split("::") if part != "err")[:60]
