"""Products that buy through the real clients: a run, a batch, a question, a mail, and a free read.

The clients' own times are shortened (:func:`hurry`), so that nobody waits half a minute for what is lost anyway.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from datetime import timedelta
from email.message import EmailMessage
from functools import cache
from typing import Any

from pydantic import BaseModel

from openbell.engine.attempt import Attempt
from openbell.engine.errors import Waiting
from openbell.engine.keys import Key
from openbell.engine.ledger import Limit
from openbell.engine.registry import Calls, Product, days, hours, product, seconds, task
from openbell.products.context import Context
from openbell.products.sources import Connections, Source
from openbell.providers import llm, mail, wire
from openbell.providers.fmp import client as fmp
from openbell.providers.perplexity import Ask, BatchHandle
from openbell.providers.perplexity import client as perplexity
from tests.chaos import deals
from tests.chaos.outside import Line

PROVIDERS: Mapping[str, tuple[str, ...]] = {
    "perplexity": ("deal-research", "deal-batch"),
    "anthropic": ("deal-ask",),
    "smtp": ("deal-mail",),
    "fmp": ("deal-quote",),
}
"""By provider, what is bought of it."""
KINDS = ("research", "batch", "ask", "mail", "quote")
FILES = frozenset(
    (perplexity.__file__, mail.__file__, wire.__file__, fmp.__file__, __file__, f"{llm.__path__[0]}/client.py")
)
"""Where a process can die, line by line. The client of models is not imported here: that takes more than a second."""
CALL_S = 2.0
"""What a call may take; it must leave within half of that."""
POLL = timedelta(seconds=0.3)
MODEL = "claude-haiku-5-5"


class Bought(BaseModel):
    """The result of a purchase: which attempt made it, and what the provider calls it."""

    token: int
    refs: list[str]


class Said(BaseModel):
    """What a model is asked for."""

    text: str


def hurry() -> None:
    """Shorten what the clients wait for, in this process, and load what its children will need."""
    for module in (perplexity, mail):
        module.TIMEOUT = timedelta(seconds=CALL_S)  # type: ignore[attr-defined]
    perplexity.LOOK_AGAIN = {"fast": POLL}
    wire.AROUND_S = 0.0
    ssl.create_default_context = cache(ssl.create_default_context)  # type: ignore[assignment]  # all speak plain HTTP
    asyncio.run(_warm_up())


async def _warm_up() -> None:
    """Ask a model where nobody listens: what the library puts off until its first question is done then."""
    from pydantic_ai import Agent, ToolOutput

    connections = connect({"web": "http://127.0.0.1:9", "smtp": 9})
    source = connections.source("anthropic")
    models = llm.open_models("anthropic", "anthropic", source.base_url, source.key)
    models.http.event_hooks = {}
    with suppress(Exception):
        await Agent(models.model(MODEL), output_type=ToolOutput(Said)).run("What is new?")
    await models.aclose()


def limits() -> list[Limit]:
    """Calls in a window; money, where it is paid for, in all and by day; mails at once."""
    made = [Limit(name, "calls", "window", 10**9, span=timedelta(seconds=2)) for name in PROVIDERS if name != "smtp"]
    for name in ("perplexity", "anthropic"):
        made.append(Limit(name, "usd_micro", "ever", 10**15, closes="charge"))
        made.append(Limit(name, "usd_micro", "day", 10**15, closes="charge", calendar="day"))
    made.append(Limit("fmp", "bytes", "window", 10**12, span=timedelta(seconds=2)))
    made.append(Limit("smtp", "mails", "window", 10**9, span=timedelta(seconds=2)))
    return [*made, Limit("smtp", "calls", "at once", 10**6, closes="release")]


def connect(places: Mapping[str, Any] | None) -> Connections:
    """Connections to the providers at a gateway; to none where there is none."""
    if places is None:
        return Connections({})
    root = places["web"]
    sources = {
        "perplexity": Source(f"{root}/perplexity", "sandbox"),
        "anthropic": Source(f"{root}/anthropic", "sandbox"),
        "fmp": Source(root, "sandbox", plan="premium"),
    }
    return Connections(sources, relay=mail.Relay("127.0.0.1", places["smtp"], tls="none"))


def everything(line: Line, places: Mapping[str, Any] | None) -> list[Product]:
    """All that can be bought, at the shop and of the providers."""
    return deals.products(line) + products(connect(places))


def products(connections: Connections) -> list[Product]:
    """What can be bought of the providers."""
    common: dict[str, Any] = {
        "key": Key, "version": 1, "timeout": seconds(20), "retry": seconds(0.05), "max_attempts": 100,
    }  # fmt: skip
    policy = common | {"ttl": hours(9), "stale": hours(9), "empty": hours(9), "keep": days(1), "licence": "cc0"}
    spends = {name: {provider: Calls(1)} for provider, names in PROVIDERS.items() for name in names}

    def making(work: Work) -> Callable[[Key, Attempt], Awaitable[Bought]]:
        async def producer(key: Key, attempt: Attempt) -> Bought:
            return Bought(token=attempt.claim.token, refs=await work(key, Context(attempt, connections)))

        return producer

    def doing(work: Work) -> Callable[[Key, Attempt], Awaitable[None]]:
        async def producer(key: Key, attempt: Attempt) -> None:
            await work(key, Context(attempt, connections))

        return producer

    artifacts = {"deal-research": research, "deal-batch": batch, "deal-quote": quote}
    tasks = {"deal-ask": ask, "deal-mail": send}
    made = [product(name, **policy, spends=spends[name])(making(work)) for name, work in artifacts.items()]
    return made + [task(name, **common, spends=spends[name])(doing(work)) for name, work in tasks.items()]


Work = Callable[[Key, Context], Awaitable[list[str]]]


def _mark(ctx: Context, *, attempts: bool = False) -> str:
    """Whose a request is; with ``attempts`` each attempt has its own mark."""
    claim = ctx.attempt.claim
    return f"[deal {claim.id} {claim.token if attempts else 0} {claim.product}:{claim.key}]"


def _words(key: Key) -> str:
    """A question whose length, and so its price, is its own."""
    return "What is new? " + "Really? " * (int(str(key)) * 37 % 101)


async def research(key: Key, ctx: Context) -> list[str]:
    """A run in the background."""
    question = Ask(f"{_words(key)} {_mark(ctx)}", model="perplexity/sonar", effort="fast", hold_micro=1_000)
    return [(await ctx.perplexity.research(question, key=_mark(ctx))).id]


async def batch(key: Key, ctx: Context) -> list[str]:
    """A batch of two questions, under a key that the service knows again."""
    asks = {
        name: Ask(f"{name}? {_words(key)} {_mark(ctx)}", model="perplexity/sonar", effort="fast", hold_micro=1_000)
        for name in ("what", "why")
    }

    async def create() -> dict[str, Any]:
        file = await ctx.perplexity.upload(asks)
        return (await ctx.perplexity.create_batch(file, asks, key=_mark(ctx))).model_dump(mode="json")

    async def read() -> list[str]:
        found = await ctx.perplexity.read_batch(handle)
        if found.running:
            raise Waiting("the batch is under way", retry_after=POLL)
        return [found.id] if found.runs.keys() == asks.keys() else []

    handle = BatchHandle(**await ctx.attempt.step("create", create))
    return list(await ctx.attempt.step("read", read))


async def ask(key: Key, ctx: Context) -> list[str]:
    """A question, paid for each time, and its memo."""

    async def work() -> str:
        question = f"{_words(key)} {_mark(ctx, attempts=True)}"
        reply = await ctx.llm("anthropic").ask(MODEL, question, output=Said, max_tokens=400, timeout_s=CALL_S)
        return reply.value.text

    return [await ctx.attempt.step("ask", work)]


async def send(key: Key, ctx: Context) -> list[str]:
    """A mail, which leaves once."""
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "us@example.com", "you@example.org", "What is new"
    message["Message-ID"] = f"<{ctx.attempt.claim.product}.{key}@example.com>"
    message.set_content(_mark(ctx))

    async def work() -> str | None:
        return (await ctx.mailer.send(message, to="you@example.org", sender="us@example.com")).queue_id

    return [str(await ctx.attempt.step("send", work))]


async def quote(key: Key, ctx: Context) -> list[str]:
    """One free read."""
    return [str((await ctx.fmp.quote("AAPL"))["symbol"])]
