"""A day in the sandbox: every provider asked, with faults, and afterwards the two books say the same."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from datetime import date, timedelta
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from pydantic import BaseModel

from openbell.engine.enqueue import enqueue
from openbell.engine.keys import Key
from openbell.engine.registry import Product, minutes, task
from openbell.products.context import Context, contexts
from openbell.products.sources import Connections, Source
from openbell.providers.mail import Relay
from openbell.providers.perplexity import Ask
from tests.cli.house import run
from tests.engine.conftest import (
    Employ,
    employ,  # noqa: F401 - fixture
)
from tests.sandbox.conftest import start  # noqa: F401 - fixture
from tests.sandbox.harness import Running, Start
from tests.support import Clock, eventually

STEPS = 5
CIKS = {"AAPL": 320193, "MSFT": 789019}
PAID = ("perplexity", "anthropic", "openai")
BUDGET = 100_000_000


class Note(BaseModel):
    """What a model is asked for."""

    text: str


def sources(root: str) -> dict[str, Source]:
    """Every provider of a sandbox, with a hundred dollars for each that costs any."""
    return {
        "fmp": Source(root, "sandbox", plan="premium"),
        "perplexity": Source(f"{root}/perplexity", "sandbox", plan="1000", budget=BUDGET),
        "anthropic": Source(f"{root}/anthropic", "sandbox", budget=BUDGET),
        "openai": Source(f"{root}/openai/v1", "sandbox", budget=BUDGET),
        "scrapfly": Source(f"{root}/scrapfly", "sandbox", plan="pro"),
        "news": Source(f"{root}/news"),
        "edgar": Source(f"{root}/edgar"),
        "wikimedia": Source(f"{root}/wikimedia"),
    }


def chore(name: str, work: Callable[[str, Context], Awaitable[Any]]) -> Product:
    """A task that is tried three times."""

    async def producer(key: Key, ctx: Context) -> None:
        await work(str(key), ctx)

    options: dict[str, Any] = {
        "key": Key,
        "version": 1,
        "timeout": minutes(2),
        "retry": timedelta(seconds=1),
        "spends": {},
    }
    return task(name, **options)(producer)


async def research(key: str, ctx: Context) -> None:
    await ctx.perplexity.research(Ask(f"What is new about {key}?", model="perplexity/sonar"), key=f"research {key}")


async def summary(key: str, ctx: Context) -> None:
    await ctx.attempt.step("ask", lambda: _asked("anthropic", "claude-haiku-5-5", key, ctx))


async def headline(key: str, ctx: Context) -> None:
    await ctx.attempt.step("ask", lambda: _asked("openai", "gpt-6-luna", key, ctx))


async def _asked(provider: Any, model: str, key: str, ctx: Context) -> dict[str, Any]:
    prompt, name = f"Say something about {key}.", f"{provider} {key}"
    reply = await ctx.llm(provider).ask(model, prompt, output=Note, max_tokens=400, key=name)
    return reply.value.model_dump()


async def page(key: str, ctx: Context) -> None:
    poll = await ctx.news.poll(ctx.yahoo_feed(key.partition(" ")[0]))
    (link, *_) = [entry.link for entry in poll.entries if entry.link]
    await ctx.scrapfly.scrape(link)


async def quote(key: str, ctx: Context) -> None:
    await ctx.fmp.quote(key.partition(" ")[0])


async def filings(key: str, ctx: Context) -> None:
    await ctx.edgar.submissions(CIKS[key.partition(" ")[0]])


async def views(key: str, ctx: Context) -> None:
    await ctx.pageviews.daily("Apple_Inc.", date(2026, 10, 1), date(2026, 10, 31))


async def letter(key: str, ctx: Context) -> None:
    message = EmailMessage()
    message["From"], message["Message-ID"] = "us@example.com", f"<{key.replace(' ', '.')}@example.com>"
    message.set_content(f"What is new about {key}?")
    await ctx.mailer.send(message, to="you@example.org", sender="us@example.com")


CHORES = [chore(work.__name__, work) for work in (research, summary, headline, page, quote, filings, views, letter)]

FAULTS: list[tuple[str, dict[str, Any]]] = [
    ("drop", {"provider": "perplexity", "path": "v1/agent"}),  # accepted and billed, and nobody learns its name
    ("failed_billed", {"provider": "perplexity"}),
    ("rate_limited", {"provider": "perplexity", "retry_after_s": 1}),
    ("wrong_schema", {"provider": "anthropic"}),
    ("overloaded", {"provider": "anthropic"}),
    ("drop", {"provider": "openai"}),
    ("server_error", {"provider": "openai"}),
    ("upstream_404", {"provider": "scrapfly"}),
    ("drop", {"path": "quote"}),
    ("html502", {"path": "quote"}),
    ("html503", {"provider": "edgar"}),
    ("html503", {"provider": "wikimedia"}),
    ("mailbox_busy", {"provider": "smtp"}),
    ("drop", {"provider": "smtp"}),  # accepted, and nobody learns of it
    ("drop", {"provider": "edgar"}),
]


DOUBTS = [("perplexity", True), ("openai", True), ("openai", False), ("smtp", True)]
"""What nobody can tell after these faults, and whether it was made."""


async def live_a_day(pool: asyncpg.Pool, clock: Clock, sandbox: Running) -> None:
    """Every five hours some of everything is queued, three things go wrong, and all comes to its end."""
    for step in range(STEPS):
        for kind, where in FAULTS[step::STEPS]:
            await sandbox.fault(kind, times=1, **where)
        for one in CHORES:
            await enqueue(pool, one, [(f"AAPL {step}", None), (f"MSFT {step}", None)])

        async def at_rest() -> bool:
            await clock.advance(seconds=20)  # what waits for a time need not take it
            return bool(await pool.fetchval("select not exists (select 1 from openbell.job)"))

        await eventually(at_rest, 60)
        await clock.advance(minutes=290)
        await sandbox.clock(advance_s=17_400)


async def resolve_by_their_book(sandbox: Running, cwd: Path, dsn: str) -> list[tuple[str, bool]]:
    """Tell of every call in doubt what the provider's own record says; of which providers, and whether it was made."""
    doubtful = await _ask(cwd, dsn, "spends", "list", "--unknown")
    found = []
    for provider in (*PAID, "smtp"):
        spends = sorted(one["id"] for one in doubtful if one["provider"] == provider)
        records = [one for one in await sandbox.entries(provider) if one["status"] is None or one["status"] == 500]
        for spend_id, record in zip(spends, records, strict=True):
            cost = ("--cost", f"{record['billed_usd_micro'] / 1_000_000:.6f}") if record["billed_usd_micro"] else ()
            word = ("--happened", *cost) if record["billed"] else ("--never-happened",)
            await _ask(cwd, dsn, "spends", "resolve", str(spend_id), *word, "--reason", "it is on their bill")
            found.append((provider, record["billed"]))
    return found


@pytest.mark.slow
async def test_a_day_adds_up_to_the_billing_ledger(
    pool: asyncpg.Pool,
    dsn: str,
    start: Start,  # noqa: F811 - fixture
    employ: Employ,  # noqa: F811 - fixture
    clock: Clock,
    tmp_path: Path,
) -> None:
    """Done when: `openbell costs` after a day in the sandbox is its billing ledger, once doubts are resolved by it."""
    sandbox = await start()
    smtp = (await sandbox.client.get("/_control/ports")).json()["smtp"]
    given = sources(sandbox.url)
    connections = Connections(given, contact="tests@example.com", relay=Relay("127.0.0.1", smtp, tls="none"))
    await employ(*CHORES, limits=connections.limits, context=contexts(connections), slots=8)
    await live_a_day(pool, clock, sandbox)

    book = (await sandbox.ledger())["totals"]["by_provider"]
    billed = {name: book[name]["billed_usd_micro"] for name in PAID}
    assert set(book) == {*given, "smtp"}
    assert await resolve_by_their_book(sandbox, tmp_path, dsn) == DOUBTS
    said = await _ask(tmp_path, dsn, "costs", "--by", "provider")
    assert {row["provider"]: row["cost_micro"] for row in said["rows"] if row["provider"] in PAID} == billed
    assert said["total"]["cost_micro"] == sum(billed.values()) > 0
    taken = "select sum((took ->> 'credits')::bigint) from openbell.spend where provider = 'scrapfly'"
    assert await pool.fetchval(taken) == book["scrapfly"]["billed_credits"] > 0
    sent = "select count(*) from openbell.spend where provider = 'smtp' and state = 'settled'"
    assert await pool.fetchval(sent) == book["smtp"]["billed_calls"] == 2 * STEPS
    await connections.close()


async def _ask(cwd: Path, dsn: str, *command: str) -> Any:
    done = await asyncio.to_thread(run, *command, "--json", cwd=cwd, DATABASE_URL=dsn)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
