"""ScrapFly's scrape API: it fetches nothing from outside, only the articles of the sandbox's own news.

Forms, codes and credits: spec domain.md B4 and ScrapFly's published error definitions, which say of each code its HTTP
status, whether to retry and whether it is billed. A plain proxy costs 1 credit, a residential one 25, a browser 5 more;
`asp=true` raises the pool where a site needs it, so the price is known only afterwards. Papers with a paywall are such
sites: without `asp` or the residential pool they answer 403.

    GET  /scrapfly/scrape?key=&url=&asp=&render_js=&proxy_pool=&cost_budget=&format=
    GET  /_control/scrapfly/credits        what is left of the month         POST {"left": 30} sets it

Faults: those of ERRORS, the upstream ones in their own names, and html502.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from openbell.sandbox.house import House
from openbell.sandbox.news import pages
from openbell.sandbox.news.pages import Page
from openbell.sandbox.simulator import Answer, Call, Refused, Simulator

DATACENTER, RESIDENTIAL = "public_datacenter_pool", "public_residential_pool"
POOL_CREDITS = {DATACENTER: 1, RESIDENTIAL: 25}
BROWSER_CREDITS = 5
PLAN_CREDITS = 200_000  # Discovery
FORMATS = frozenset(("raw", "text", "markdown", "clean_html"))
DOCS = "https://scrapfly.io/docs/scrape-api/error/"
_YES = frozenset(("true", "1", "yes"))
_BODY_BYTES_MAX = 10_000


@dataclass(frozen=True, slots=True)
class Reject:
    """A published error: its HTTP status, whether a retry may help, whether it costs what a success would cost."""

    code: str
    status: int
    words: str
    retryable: bool = False
    billed: bool = False


_THROTTLE, _SCRAPE = "ERR::THROTTLE::MAX_", "ERR::SCRAPE::"
ERRORS: Mapping[str, Reject] = {
    "rate": Reject(f"{_THROTTLE}REQUEST_RATE_EXCEEDED", 429, "Too many requests in this minute", retryable=True),
    "concurrency": Reject(f"{_THROTTLE}CONCURRENT_REQUEST_EXCEEDED", 429, "Too many requests at once", retryable=True),
    "budget": Reject(f"{_THROTTLE}API_CREDIT_BUDGET_EXCEEDED", 429, "The credit budget is used up", retryable=True),
    "quota": Reject(f"{_SCRAPE}QUOTA_LIMIT_REACHED", 429, "The credits of the month are used up"),
    "cost_budget": Reject(f"{_SCRAPE}COST_BUDGET_LIMIT", 422, "The call would cost more than allowed", retryable=True),
    "shield": Reject("ERR::ASP::SHIELD_PROTECTION_FAILED", 422, "The protection was not passed", retryable=True),
    "proxy_timeout": Reject("ERR::PROXY::TIMEOUT", 422, "The proxy or the site was too slow", retryable=True),
    "proxy_pool": Reject("ERR::PROXY::POOL_NOT_AVAILABLE_FOR_TARGET", 422, "Not with this pool"),
    "upstream_timeout": Reject(f"{_SCRAPE}UPSTREAM_TIMEOUT", 422, "The site took too long", billed=True),
    "dns": Reject(f"{_SCRAPE}DNS_NAME_NOT_RESOLVED", 422, "The site's name does not resolve", billed=True),
    "protocol": Reject(f"{_SCRAPE}BAD_PROTOCOL", 422, "Only http and https addresses are possible"),
    "config": Reject(f"{_SCRAPE}CONFIG_ERROR", 400, "The parameters make no sense"),
}
UPSTREAM = Reject(f"{_SCRAPE}BAD_UPSTREAM_RESPONSE", 200, "The site answered with an error", billed=True)
UPSTREAM_STATUS = {"upstream_403": 403, "upstream_404": 404, "upstream_500": 500}


class Scrapfly(Simulator):
    """Everything below /scrapfly."""

    name = "scrapfly"
    mount = "/scrapfly"
    data_class = "synthetic; scrape of an invented page"
    kinds = frozenset((*ERRORS, *UPSTREAM_STATUS, "html502"))

    def __init__(self, house: House) -> None:
        super().__init__(house)
        self._records = house.store(self.name)
        self.on("GET", "scrape", self.scrape)

    @property
    def left(self) -> int:
        """Credits that are left of the month."""
        kept = self._records.get("credits", "left")
        return PLAN_CREDITS if kept is None else int(kept)

    def admit(self, call: Call) -> None:
        """Refuse a wrong key."""
        if not self.house.knows(call.params.get("key", "")):
            refusal = {"status": "error", "http_code": 401, "reason": "Unauthorized", "error_id": str(uuid4())}
            raise Refused(Answer.of_json({**refusal, "message": "Invalid API key"}, 401))

    def subjects(self, call: Call) -> list[str]:
        """The company that the page is about."""
        article = pages.at(call.params.get("url", "")).article
        return [article.topic.symbol] if article is not None and article.topic.symbol else []

    async def scrape(self, call: Call) -> Answer:
        """Fetch a page."""
        call.refer(str(uuid4()))
        price, page = self._price(call), self._fetched(call)
        reject = self._obstacle(call, price) or (UPSTREAM if page.status >= 400 else None)
        spent = price if reject is None or (reject.billed and price <= self.left) else 0
        if spent:
            call.bill(credits=spent)
            self._records.put("credits", "left", self.left - spent)
        return self._answer(call, spent, page if reject in (None, UPSTREAM) else None, reject)

    def control(self) -> Sequence[BaseRoute]:
        """Read and set what is left."""
        return [Route("/credits", self._credits, methods=["GET", "POST"])]

    def _price(self, call: Call) -> int:
        """Credits that the call costs when it succeeds."""
        pool = call.params.get("proxy_pool", DATACENTER)
        if _is_guarded(call) and _is_on(call, "asp"):
            pool = RESIDENTIAL
        return POOL_CREDITS.get(pool, 0) + (BROWSER_CREDITS if _is_on(call, "render_js") else 0)

    def _fetched(self, call: Call) -> Page:
        """What the site answers."""
        status = next((status for kind, status in UPSTREAM_STATUS.items() if call.meets(kind)), None)
        if status is None and _is_guarded(call) and self._price(call) < POOL_CREDITS[RESIDENTIAL]:
            status = 403
        return pages.at(call.params.get("url", "")) if status is None else Page(status, pages.plain(status, "Error"))

    def _obstacle(self, call: Call, price: int) -> Reject | None:
        """What keeps the call from reaching the site, or its answer from coming back."""
        url, pool = call.params.get("url", ""), call.params.get("proxy_pool", DATACENTER)
        budget = call.params.get("cost_budget", "")
        if not url or pool not in POOL_CREDITS or call.params.get("format", "raw") not in FORMATS:
            return ERRORS["config"]
        if urlsplit(url).scheme not in ("http", "https"):
            return ERRORS["protocol"]
        if call.fault is not None and call.fault.kind in ERRORS:
            return ERRORS[call.fault.kind]
        if budget.isdecimal() and int(budget) < price:
            return ERRORS["cost_budget"]
        return ERRORS["quota"] if price > self.left else None

    def _answer(self, call: Call, spent: int, page: Page | None, reject: Reject | None) -> Answer:
        error = _error(reject, page.status if page else reject.status) if reject else None
        html = {"content-type": "text/html; charset=utf-8"}
        body = {
            "uuid": call.entry.reference,
            "config": {name: value for name, value in call.params.items() if name != "key"},
            "context": {"cost": {"total": spent, "details": [{"code": "CREDITS", "amount": spent}]}},
            "result": {
                "status": "DONE",
                "success": error is None,
                "status_code": page.status if page else None,
                "reason": None,
                "url": call.params.get("url"),
                "content": _content(page, call.params.get("format", "raw")) if page else None,
                "content_type": html["content-type"],
                "response_headers": self.labelled(html),
                "format": "text",
                "error": error,
            },
        }
        headers = {"x-scrapfly-api-cost": str(spent), "x-scrapfly-remaining-api-credit": str(self.left)}
        if page is not None:
            headers["x-scrapfly-upstream-http-code"] = str(page.status)
        if error is not None:
            headers |= _reject_headers(error)
        if call.fault is not None and call.fault.spec.retry_after_s is not None:
            headers["retry-after"] = call.retry_after("")
        return self.answer(body, reject.status if reject else 200, headers)

    async def _credits(self, request: Request) -> Response:
        if request.method == "POST":
            try:
                left = json.loads((await request.body())[:_BODY_BYTES_MAX])["left"]
            except (ValueError, KeyError, TypeError):
                left = None
            if not isinstance(left, int) or isinstance(left, bool) or left < 0:
                return JSONResponse({"error": 'the body must be {"left": a whole number of at least 0}'}, 400)
            self._records.put("credits", "left", left)
        return JSONResponse({"left": self.left, "plan": PLAN_CREDITS})


def _error(reject: Reject, status: int) -> dict[str, Any]:
    return {
        "code": reject.code,
        "http_code": status,
        "message": reject.words,
        "description": reject.words,
        "error_id": str(uuid4()),
        "retryable": reject.retryable,
        "doc_url": DOCS + reject.code,
    }


def _reject_headers(error: Mapping[str, Any]) -> dict[str, str]:
    return {
        "x-scrapfly-reject-code": error["code"],
        "x-scrapfly-reject-description": error["description"],
        "x-scrapfly-reject-retryable": "true" if error["retryable"] else "false",
        "x-scrapfly-reject-http-code": str(error["http_code"]),
        "x-scrapfly-reject-id": error["error_id"],
        "x-scrapfly-reject-doc": error["doc_url"],
    }


def _is_guarded(call: Call) -> bool:
    """Whether the site lets only residential addresses in."""
    article = pages.at(call.params.get("url", "")).article
    return article is not None and article.publisher.paywall


def _content(page: Page, form: str) -> str:
    """The page in the format asked for."""
    if form == "raw" or page.article is None:
        return page.html
    if form == "clean_html":
        return re.sub(r"<(script|style|header|footer|aside)\b.*?</\1>", "", page.html, flags=re.DOTALL)
    headline = page.article.headline if form == "text" else f"# {page.article.headline}"
    return "\n\n".join((headline, *pages.shown(page.article)))


def _is_on(call: Call, name: str) -> bool:
    return call.params.get(name, "").lower() in _YES
