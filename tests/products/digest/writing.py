"""A desk at which digests are written in tests: pinned inputs of our own, and a model that says what a test wrote down.

All articles and filings here are synthetic. The model answers over a real socket, in the form of OpenAI's chat.
"""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

import asyncpg

from openbell.engine.ledger import Limit
from openbell.engine.registry import Calls
from openbell.products.context import Context
from openbell.products.digest.content import DigestContent
from openbell.products.digest.inputs import ArticleInput, Candidate, Company, DigestInputs, FilingInput, PriceFacts
from openbell.products.digest.phases import write
from openbell.products.digest.texts import keep_text
from openbell.products.sources import Connections, Source, limits_of
from tests.engine.hand import Hand, declare, queue, rescue, wake
from tests.providers.scripted import Scripted, http, serving

_numbers = itertools.count(1)
DAY = date(2026, 11, 24)
ZONE = "America/New_York"
NOON = datetime(2026, 11, 24, 11, 0, tzinfo=UTC)
MODEL = "gpt-6-luna"

ARTICLES: Sequence[tuple[str, str, str]] = (
    (
        "Acme Robotics lifts outlook after record quarter",
        """Acme Robotics (ACME) said revenue rose 12.4% to $3.42 billion in the third quarter of 2026. The company \
raised its full-year revenue guidance to between $13.1 billion and $13.4 billion. Chief Executive Jane Moreno said \
demand for the Atlas arm exceeded supply in Europe. Shares of Acme Robotics gained 5.1% on Monday.""",
        "company",
    ),
    (
        "Regulators open probe of Acme Robotics warehouse system",
        """The Federal Trade Commission opened an investigation of Acme Robotics on Nov. 20, according to a filing. \
The probe concerns 1,250 warehouse systems sold since 2024. Acme Robotics said it will cooperate.""",
        "company",
    ),
    (
        "Acme Robotics beats estimates on strong Europe",
        """Acme Robotics reported revenue of $3.42 billion for the third quarter, up 12.4%, and beat estimates of $3.3 \
billion. Analysts at Harbour Street raised their price target to $210 from $185.""",
        "company",
    ),
    (
        "Borealis Machines cuts prices of welding robots",
        """Borealis Machines (BRLS) cut prices of its welding robots by 8% in China, where it competes with Acme \
Robotics. The industry shipped about 541,000 units last year.""",
        "competitor",
    ),
)
FILING = """Item 1. Business. Acme Robotics sells robotic arms, and the Atlas product line brought 41% of revenue in
fiscal 2025.

Item 1A. Risk Factors. Regulators in the United States and in Europe may investigate our warehouse systems, which \
brought $1.1 billion of revenue in fiscal 2025.

Item 7. Outlook. We expect capital spending of $400 million."""
ACCESSION = "0001234567-26-000042"


def article(n: int, title: str, text: str, category: str = "company", **other: Any) -> ArticleInput:
    """An article by its number; its text is put into the database by :meth:`Desk.pin`."""
    given: dict[str, Any] = {
        "id": n, "url": f"https://news.example.com/a/{n}", "publisher": f"Paper {n % 3 + 1}", "title": title,
        "published_at": NOON - timedelta(hours=n), "category": category, "subject": "Acme Robotics", "text_ref": text,
        "summary": "", "summary_by": "extractive", "quality": 7.0, "score": 10.0 - n, "synthetic": "synthetic, by hand",
    }  # fmt: skip
    return ArticleInput(**(given | other))


def inputs(articles: Sequence[ArticleInput] | None = None, **other: Any) -> DigestInputs:
    """The inputs of a digest of Acme Robotics; texts in ``text_ref`` stand there themselves until they are pinned."""
    made = [article(n, *one) for n, one in enumerate(ARTICLES, 1)] if articles is None else list(articles)
    filing = FilingInput(
        accession=ACCESSION, form="10-K", filed=date(2026, 2, 12), title="Annual report", is_new=False,
        url="https://filings.example.com/acme-10k", text_ref=FILING, synthetic="synthetic, by hand",
    )  # fmt: skip
    closes = [(date(2026, 9, 1) + timedelta(days=n), 150 + n * 0.4 + (n * 7) % 11) for n in range(60)]
    given: dict[str, Any] = {
        "ticker": "ACME", "name": "Acme Robotics", "edition": "daily", "day": DAY, "zone": ZONE,
        "begins": NOON - timedelta(days=1), "ends": NOON,
        "competitors": [Company(name="Borealis Machines", ticker="BRLS")],
        "articles": made, "filings": [filing], "outcomes": {"used": len(made), "filtered": 3},
        "scorers": ["titles", "model"], "feeds": 11, "feeds_failed": 1,
        "candidates": [
            Candidate(
                id=one.id, title=one.title, url=one.url, publisher=one.publisher, published_at=one.published_at,
                category=one.category, subject=one.subject, scores={"titles": 8.0, "model": 7.5}, chosen=True,
                outcome="used", reason="best of its subject",
            )
            for one in made
        ],
        "price": PriceFacts(
            currency="USD", price=181.25, change=8.8, change_percent=5.1, as_of=NOON, closes=closes,
            synthetic="synthetic, by hand",
        ),
        "models": dict.fromkeys(("bullets", "known", "context", "duplicates", "summary", "review"), "none"),
    }  # fmt: skip
    return DigestInputs(**(given | other))


def chat(text: str, *, tool: bool = True, stop: str = "tool_calls", model: str = MODEL) -> bytes:
    """An answer of the chat, as bytes of HTTP: the call of the tool for the answer, or plain text."""
    message: dict[str, Any] = {"role": "assistant", "content": None if tool else text, "refusal": None}
    if tool:
        call = {"name": "final_result", "arguments": text}
        message["tool_calls"] = [{"id": "call_1", "type": "function", "function": call}]
    body = {
        "id": "chatcmpl-1", "object": "chat.completion", "created": 1_790_000_000, "model": model,
        "choices": [{"index": 0, "message": message, "finish_reason": stop if tool else "stop"}],
        "usage": {"prompt_tokens": 1_000, "completion_tokens": 200, "total_tokens": 1_200},
    }  # fmt: skip
    return http(200, json.dumps(body).encode(), content_type="application/json")


PHASE_OF = {
    "You write the raw material": "bullets",
    "You compare bullets": "known",
    "You tell owners": "context",
    "You find bullets": "duplicates",
    "You write the top": "summary",
    "You check a news digest": "review",
}

Say = Callable[[str, dict[str, Any]], bytes]


@dataclass
class Script:
    """What the model says by phase: bytes of HTTP, JSON, or a function of the request; a list is said in turn."""

    said: dict[str, Any]
    together: set[str] = field(default_factory=set)
    hang: str = ""
    asked: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    hangs: asyncio.Event = field(default_factory=asyncio.Event)
    _met: set[str] = field(default_factory=set)
    _all: asyncio.Event = field(default_factory=asyncio.Event)

    async def meet(self) -> None:
        """Wait where a phase waits for others that must be asked at the same time, or for ever where one hangs."""
        phase = self.asked[-1][0]
        if phase == self.hang:
            self.hangs.set()
            await asyncio.Event().wait()
        if phase in self.together:
            self._met.add(phase)
            if self._met == self.together:
                self._all.set()
            await self._all.wait()

    def phases(self) -> list[str]:
        """The phases that were asked, in their order."""
        return [phase for phase, _ in self.asked]

    def answer(self, body: bytes) -> bytes:
        """The answer to a request."""
        request = json.loads(body)
        text = json.dumps(request["messages"])
        phase = next((name for begin, name in PHASE_OF.items() if begin in text), "other")
        self.asked.append((phase, request))
        said = self.said.get(phase, {})
        if isinstance(said, list):
            turn = sum(one == phase for one, _ in self.asked) - 1
            said = said[min(turn, len(said) - 1)]
        if callable(said):
            said = said(request)
        return said if isinstance(said, bytes) else chat(json.dumps(said), model=request["model"])


@dataclass
class Desk:
    """Writes digests, each within an attempt of its own."""

    pool: asyncpg.Pool
    hand: Hand
    product: str
    connections: Connections
    contexts: list[Context] = field(default_factory=list)

    @classmethod
    async def open(cls, pool: asyncpg.Pool, sources: Mapping[str, Source] | None = None, **other: Any) -> Desk:
        """A worker who may ask these models; nobody by default."""
        product = f"writing{next(_numbers)}"
        declared = declare(product, spends={"openai": Calls(1)}, max_attempts=other.pop("max_attempts", 20))
        limits = [_roomy(limit) for limit in limits_of(sources or {})]
        hand = await Hand.hire(pool, declared, limits=limits)
        return cls(pool, hand, product, Connections(sources or {}, **other))

    async def pin(self, given: DigestInputs) -> DigestInputs:
        """Put the texts where they belong."""
        articles = [
            one.model_copy(update={"text_ref": await keep_text(self.pool, one.text_ref)}) if one.text_ref else one
            for one in given.articles
        ]
        filings = [
            one.model_copy(update={"text_ref": await keep_text(self.pool, one.text_ref)}) if one.text_ref else one
            for one in given.filings
        ]
        return given.model_copy(update={"articles": articles, "filings": filings})

    async def context(self, job: str | None = None) -> Context:
        """A first attempt at a new job, or the next one at that one."""
        await queue(self.pool, job or f"job {next(_numbers)}", name=self.product)
        await wake(self.pool)
        [claim] = await self.hand.claim()
        made = Context(self.hand.attempt(claim), self.connections)
        self.contexts.append(made)
        return made

    async def write(self, given: DigestInputs, *, job: str | None = None) -> DigestContent:
        """The digest of these inputs, whose texts are put into the database first; the job ends with it."""
        ctx = await self.context(job)
        content = await write(ctx, await self.pin(given))
        await self.hand.publish(ctx.attempt.claim, {"n": 1}, settle=ctx.attempt.take_ended())
        return content

    async def be_killed(self, writing: asyncio.Task[Any]) -> None:
        """The process is gone with all that it had not written; its job waits for the next attempt."""
        await self.hand.expire()
        assert len(await rescue(self.pool)) == 1
        writing.cancel()
        await asyncio.gather(writing, return_exceptions=True)
        products, accounts = self.hand.products, self.hand.accounts
        self.hand = await Hand.hire(self.pool, limits=[])
        self.hand.products, self.hand.accounts = products, accounts
        await self.pool.execute("update openbell.clock set shift = shift + interval '10 minutes'")

    async def spent(self) -> list[asyncpg.Record]:
        """Every spend, oldest first."""
        return list(await self.pool.fetch("select *, state::text as word from openbell.spend order by id"))

    async def close(self) -> None:
        """Close what was opened."""
        await self.connections.close()


@asynccontextmanager
async def scripted(
    pool: asyncpg.Pool, said: dict[str, Any], *, together: set[str] | None = None, **other: Any
) -> AsyncIterator[tuple[Desk, Script]]:
    """A desk whose model says what was written down; phases that are asked ``together`` wait for each other."""
    script = Script(dict(said), together or set())

    async def answer(writer: asyncio.StreamWriter) -> None:
        answered = script.answer(server.asked[-1].body)
        await script.meet()
        writer.write(answered)
        await writer.drain()

    server: Scripted
    async with serving({"*": answer}) as server:
        source = Source(f"{server.url}/v1", key="k", budget=1_000_000_000, calls_per_minute=10_000)
        desk = await Desk.open(pool, {"openai": source, "gemini": source}, **other)
        try:
            yield desk, script
        finally:
            await desk.close()


def by_model(given: DigestInputs, model: str = f"openai:{MODEL}", **phases: str) -> DigestInputs:
    """The inputs, with every phase done by this model, or as ``phases`` say."""
    models = dict.fromkeys(given.models, model) | phases
    return given.model_copy(update={"models": models})


def _roomy(limit: Limit) -> Limit:
    from dataclasses import replace

    return replace(limit, granted=limit.granted * 100) if limit.span == timedelta(minutes=1) else limit
