"""A run: what it will answer and cost, decided when it is accepted, and what it is at a given time.

All of it is in one JSON record, so that a restart changes nothing and nothing ticks in the background.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import uuid4

from openbell.sandbox.companies import COMPANIES
from openbell.sandbox.faults import Fault
from openbell.sandbox.llm.lifecycle import QUEUE_S, WORK_S
from openbell.sandbox.llm.lifecycle import status_at as plain_status_at
from openbell.sandbox.llm.prices import BYTES_PER_TOKEN, PER_MILLION, PERPLEXITY, step, text_of, tokens
from openbell.sandbox.llm.writer import Writer
from openbell.sandbox.perplexity.body import Body

CANCEL_S = 0.05
RESULTS_PER_SEARCH = 3
SEARCH_TOKENS, FETCH_TOKENS = 3_000, 6_000
TERMINAL = frozenset(("completed", "failed", "cancelled", "incomplete", "requires_action"))
# Micro-dollars per invocation.
TOOL_PRICES: Mapping[str, int] = {
    "web_search": 2_500,
    "web_search_fast": 1_000,
    "fetch_url": 250,
    "finance_search": 5_000,
    "people_search": 5_000,
    "image_search": 2_500,
    "sandbox": 30_000,
}

Record = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Effort:
    """What a level stands for: the model, how much it looks up, and how many tokens it thinks."""

    model: str
    searches: int
    fetches: int
    thinking: int


EFFORTS: Mapping[str, Effort] = {
    "fast": Effort("perplexity/sonar", 1, 0, 0),
    "low": Effort("openai/gpt-6-luna", 3, 1, 1_000),
    "medium": Effort("openai/gpt-6.1-terra", 8, 4, 8_000),
    "high": Effort("anthropic/claude-sonnet-5-5", 20, 10, 20_000),
    "xhigh": Effort("anthropic/claude-opus-5-5", 60, 30, 60_000),
}


@dataclass(frozen=True, slots=True)
class Usage:
    """What a run used, in tokens, calls of tools and micro-dollars."""

    input_tokens: int
    output_tokens: int
    input_cost: int
    output_cost: int
    tools: Mapping[str, tuple[int, int]]  # name -> invocations, micro-dollars

    @property
    def tools_cost(self) -> int:
        """Micro-dollars for all tools."""
        return sum(cost for _, cost in self.tools.values())

    @property
    def usd_micro(self) -> int:
        """What is billed."""
        return self.input_cost + self.output_cost + self.tools_cost

    def as_json(self) -> Record:
        """The usage block; its costs are US dollars with six decimals."""
        return {
            "input_tokens": self.input_tokens,
            "output_tokens": self.output_tokens,
            "total_tokens": self.input_tokens + self.output_tokens,
            "input_tokens_details": {"cache_creation_input_tokens": 0, "cache_read_input_tokens": 0},
            "tool_calls_details": {
                name: {"invocation": count, "cost_usd": cost / PER_MILLION, "token_usage": []}
                for name, (count, cost) in self.tools.items()
            },
            "cost": {
                "currency": "USD",
                "input_cost": self.input_cost / PER_MILLION,
                "output_cost": self.output_cost / PER_MILLION,
                "cache_creation_cost": 0.0,
                "cache_read_cost": 0.0,
                "tool_calls_cost": self.tools_cost / PER_MILLION,
                "total_cost": self.usd_micro / PER_MILLION,
            },
        }


def begin(body: Body, fault: Fault | None, *, now: float, day: date) -> Record:
    """Decide everything about a run. The record holds `usd_micro`, what it is billed."""
    kind = fault.kind if fault else None
    effort = body.get("effort", body.get("preset"))
    level = EFFORTS.get(str(effort).partition("@")[0], Effort("", 0, 0, 0))
    model = (body.get("models") or [body.get("model") or level.model or "perplexity/sonar"])[0]
    prompt = f"{body.get('instructions', '')}\n{text_of(body['input'])}"
    text, status = _text(body, Writer(prompt, day), kind)
    counts = _tool_counts(body, level)
    usage = _usage(prompt, text, model, counts, level.thinking)
    if fault is not None and kind == "cost":
        usage = _priced(usage, fault.spec.amount or 0)
    unpaid = kind == "failed"
    waits = fault.spec.seconds if fault else 0.0
    return {
        "id": f"resp_{uuid4()}",
        "created": now,
        "queue_s": waits if kind == "stay_queued" else QUEUE_S,
        "work_s": waits if kind == "slow_run" else WORK_S,
        "background": bool(body.get("background")),
        "store": body.get("store", True),
        "effort": effort,
        "model": model,
        "previous_response_id": body.get("previous_response_id"),
        "status": status,
        "error": _error(status, fault),
        "output": [] if status == "failed" else _output(body, prompt, text, day, counts, kind),
        "usage": _shown(usage, kind),
        "usd_micro": 0 if unpaid else usage.usd_micro,
        "input_only": _shown(Usage(usage.input_tokens, 0, usage.input_cost, 0, usage.tools), kind),
        "input_only_usd_micro": 0 if unpaid else usage.input_cost + usage.tools_cost,
        "cancelled_at": None,
        "cancelled_while": None,
    }


def status_at(record: Record, now: float) -> str:
    """queued, in_progress, or what it ends as."""
    return plain_status_at(record, now, cancel_s=CANCEL_S)


def view(record: Record, now: float) -> Record:
    """The response object as it is read at a time."""
    status = status_at(record, now)
    done = status in TERMINAL
    usage = record["usage"] if done else None
    if status == "cancelled":
        usage = record["input_only"] if record["cancelled_while"] == "in_progress" else None
    shown = {
        "id": record["id"],
        "object": "response",
        "created_at": int(record["created"]),
        "status": status,
        "background": record["background"],
        "store": record["store"],
        "model": record["model"],
        "previous_response_id": record["previous_response_id"],
        "error": record["error"] if done and status != "cancelled" else None,
        "output": record["output"] if done and status != "cancelled" else [],
        "usage": usage,
    }
    if record["effort"]:
        shown["effort"] = record["effort"]
    if status == "incomplete":
        shown["incomplete_details"] = {"reason": "max_output_tokens"}
    return shown


def cancel(record: Record, now: float) -> tuple[Record, int]:
    """The record with the cancellation in it, and what is not billed any more because of it."""
    status = status_at(record, now)
    kept = record["input_only_usd_micro"] if status == "in_progress" else 0
    cancelled = {**record, "cancelled_at": now, "cancelled_while": status, "usd_micro": kept}
    return cancelled, record["usd_micro"] - kept


def _text(body: Body, writer: Writer, kind: str | None) -> tuple[str, str]:
    """The message's text and how the run ends."""
    form = body.get("response_format")
    if form is not None:
        text = json.dumps(writer.json(form["json_schema"]["schema"]))
    else:
        text = writer.text()
    if kind in ("failed", "failed_billed"):
        return "", "failed"
    if kind == "requires_action":
        return "", "requires_action"
    if kind == "bad_json":
        return text[: len(text) // 2], "completed"
    if kind == "wrong_schema":
        return '{"unexpected": true}', "completed"
    if kind == "fenced":
        return f"```json\n{text}\n```", "completed"
    most = body.get("max_output_tokens")
    if kind == "incomplete":
        return text[: len(text) // 2], "incomplete"
    if most is not None and tokens(text) > step(most):
        return text.encode()[: most * BYTES_PER_TOKEN].decode(errors="ignore"), "incomplete"
    return text, "completed"


def _tool_counts(body: Body, level: Effort) -> dict[str, int]:
    """How often each tool is called. A bare model without tools looks nothing up."""
    counts = {"web_search": level.searches, "fetch_url": level.fetches}
    if "tools" in body:
        counts = {}
        for tool in body["tools"]:
            name = tool["type"]
            many = {"web_search": max(1, level.searches), "fetch_url": max(1, level.fetches)}
            counts[name] = many.get(name, 1)
        if any(tool.get("search_type") == "fast" for tool in body["tools"]):
            counts["web_search_fast"] = counts.pop("web_search")
    most = body.get("max_steps", 100)
    return {name: min(count, most) for name, count in counts.items() if count and name in TOOL_PRICES}


def _usage(prompt: str, text: str, model: str, counts: Mapping[str, int], thinking: int) -> Usage:
    searches = counts.get("web_search", 0) + counts.get("web_search_fast", 0)
    looked_up = searches * SEARCH_TOKENS + counts.get("fetch_url", 0) * FETCH_TOKENS
    input_tokens = tokens(prompt) + looked_up
    output_tokens = tokens(text) + thinking
    price = PERPLEXITY[model]
    tools = {name.removesuffix("_fast"): (count, count * TOOL_PRICES[name]) for name, count in counts.items() if count}
    return Usage(input_tokens, output_tokens, price.cost(input_tokens, 0), price.cost(0, output_tokens), tools)


def _priced(usage: Usage, usd_micro: int) -> Usage:
    """The same usage at another total: all of it on the output."""
    rest = max(0, usd_micro - usage.input_cost - usage.tools_cost)
    if rest:
        return Usage(usage.input_tokens, usage.output_tokens, usage.input_cost, rest, usage.tools)
    return Usage(usage.input_tokens, usage.output_tokens, usd_micro, 0, {})


def _shown(usage: Usage, kind: str | None) -> Record | None:
    if kind in ("failed", "no_usage"):
        return None
    shown = usage.as_json()
    if kind == "no_cost":
        del shown["cost"]
    return shown


def _error(status: str, fault: Fault | None) -> Record | None:
    if status != "failed":
        return None
    said = fault.spec.text if fault else None
    return {"code": "server_error", "type": "server_error", "message": said or "The run failed (scripted)."}


def _output(body: Body, prompt: str, text: str, day: date, counts: Mapping[str, int], kind: str | None) -> list[Record]:
    writer = Writer(prompt, day)
    items: list[Record] = []
    searches = counts.get("web_search", 0) + counts.get("web_search_fast", 0)
    results = [] if kind == "no_results" else _results(body, writer, min(searches, 5) * RESULTS_PER_SEARCH, day)
    if searches:
        queries = [f"{COMPANIES[symbol].name} news" for symbol in writer.tickers[: min(searches, 5)]]
        items.append({"type": "search_results", "queries": queries, "results": results})
    if counts.get("fetch_url"):
        contents = [{name: found[name] for name in ("url", "title", "snippet")} for found in results[:2]]
        items.append({"type": "fetch_url_results", "contents": contents})
    if counts.get("finance_search"):
        items.append({"type": "finance_results", "results": [{"ticker": writer.tickers[0], "category": "quotes"}]})
    if kind == "unknown_item":
        items.append({"type": "unknown", "item_name": "later_item", "payload": {"synthetic": True}})
        items.append({"type": "item_of_next_year", "anything": [1, {"deep": None}]})
    if kind == "requires_action":
        called = {"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": "ask", "arguments": "{}"}
        return [*items, {**called, "status": "completed"}]
    content = [{"type": "output_text", "text": text, "annotations": []}]
    message = {"type": "message", "id": f"msg_{uuid4()}", "role": "assistant", "status": "completed"}
    return [*items, {**message, "content": content}]


def _results(body: Body, writer: Writer, count: int, day: date) -> list[Record]:
    """Search results on hosts that nobody owns, or on the hosts that the request allows."""
    filters = [tool.get("filters") or {} for tool in body.get("tools", []) if tool["type"] == "web_search"]
    wanted = [host for one in filters for host in one.get("search_domain_filter", []) if not host.startswith("-")]
    hosts = wanted or ["news.example", "filings.example", "markets.example"]
    found = []
    for number in range(1, count + 1):
        company = COMPANIES[writer.tickers[(number - 1) % min(5, len(writer.tickers))]]
        host = hosts[(number - 1) % len(hosts)]
        found.append(
            {
                "id": number,
                "url": f"https://{host}/synthetic/{company.symbol.lower()}/{day.isoformat()}-{number}",
                "title": f"Synthetic page about {company.name}",
                "snippet": f"Synthetic snippet about {company.name} ({company.symbol}), made by the sandbox.",
                "date": day.isoformat(),
                "last_updated": day.isoformat(),
                "source": "web",
            }
        )
    return found
