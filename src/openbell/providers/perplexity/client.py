"""The calls of the Agent API.

A run works in the background: it is accepted at once and goes on without us. It is one spend from the submission to
its end, however often it is asked about: in between the spend is under way, with its money held; the poll that finds
the run ended settles it with what the service says it cost. The service has no list of runs. A run whose id was lost
with the answer can therefore not be asked about, is never submitted again by itself, and stays unknown until an
operator resolves it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from functools import partial
from typing import Any
from urllib.parse import quote

import httpx
from pydantic import BaseModel

from openbell.engine.attempt import Attempt
from openbell.engine.errors import Permanent, ProducerError, Transient, Waiting
from openbell.engine.ledger import Limit
from openbell.engine.spends import Call, Spends
from openbell.providers import wire
from openbell.providers.perplexity.answers import MOST_WORDS, Run, read_answer, read_json, read_run, refusal
from openbell.providers.perplexity.requests import Ask

NAME = "Perplexity"
TIMEOUT_S = 30.0
TIMEOUT = wire.call_time(TIMEOUT_S)
MOST_RUNS = 5
MOST_PAGES = 20
BATCH_RUNNING = frozenset({"validating", "in_progress", "finalizing", "cancelling"})
BATCH_WINDOW = timedelta(hours=48)
BATCH_LOOK = timedelta(minutes=1)
MARK = "openbell_key"
DOUBTFUL = frozenset({408, 409})
"""Refusals that do not prove that nothing was made: too late, or another request with this key is at work."""

LOOK_AGAIN: Mapping[str, timedelta] = {
    "fast": timedelta(seconds=3),
    "low": timedelta(seconds=5),
    "medium": timedelta(seconds=15),
    "high": timedelta(seconds=30),
    "xhigh": timedelta(seconds=30),
}
"""How long to leave a run alone between two looks, by effort."""

TIERS: Mapping[int, tuple[int, int]] = {
    0: (1, 50),
    50: (3, 150),
    250: (8, 500),
    500: (17, 1_000),
    1_000: (33, 2_000),
}
"""By US dollars bought so far: calls per second and per minute.

Source: docs.perplexity.ai/docs/admin/rate-limits-usage-tiers.
"""


def limits(
    tier: int, *, usd_micro_per_month: int, calls_per_minute: int | None = None, zone: str = "UTC"
) -> list[Limit]:
    """The limits of a tier as accounts, and the money that may be spent in a calendar month.

    ``calls_per_minute`` replaces the tier's figure. Raises ``KeyError`` for an unknown tier.
    """
    per_second, per_minute = TIERS[tier]
    return [
        Limit("perplexity", "calls", "second", per_second, span=timedelta(seconds=1)),
        Limit("perplexity", "calls", "minute", calls_per_minute or per_minute, span=timedelta(minutes=1)),
        Limit("perplexity", "usd_micro", "month", usd_micro_per_month, closes="charge", calendar="month", zone=zone),
    ]


def open_http(base_url: str, key: str) -> httpx.AsyncClient:
    """The connection pool to the service."""
    return wire.open_http(f"{base_url.rstrip('/')}/", timeout_s=TIMEOUT_S, headers={"authorization": f"Bearer {key}"})


class Handle(BaseModel):
    """A run that was submitted, as it is stored. ``adopted`` when an earlier job had submitted it."""

    id: str
    key: str
    held_micro: int
    effort: str | None = None
    structured: bool = False
    adopted: bool = False


class Asked(BaseModel):
    """One question of a batch, as far as it is needed to read its answer."""

    effort: str | None
    structured: bool
    held_micro: int


class BatchHandle(BaseModel):
    """A batch that was created, as it is stored; ``asked`` by custom id."""

    id: str
    key: str
    asked: dict[str, Asked]


class Batch(BaseModel):
    """A batch as it stands; by custom id, once it has ended, its runs and what was refused or cannot be read.

    Some may be in none of them. What is ``unread`` may have been paid.
    """

    id: str
    status: str
    runs: dict[str, Run] = {}
    refused: dict[str, str] = {}
    unread: list[str] = []

    @property
    def running(self) -> bool:
        """Whether it goes on."""
        return self.status in BATCH_RUNNING


class Perplexity:
    """The service as one attempt may use it."""

    def __init__(self, http: httpx.AsyncClient, attempt: Attempt) -> None:
        self._http, self._attempt = http, attempt

    @property
    def _spends(self) -> Spends:
        return self._attempt.spends("perplexity")

    # --- runs --------------------------------------------------------------------------------------------------------

    async def research(self, ask: Ask, *, key: str) -> Run:
        """The finished run of a question. It holds no worker while the service works on it, and is paid once.

        ``key`` names the run for good, across jobs: artifact, version, and whatever else should make it another run.
        A job that comes later with the same key takes over a run that its predecessor left behind, and asks anew only
        where that has failed. Raises :class:`Waiting` while it runs, :class:`Permanent` when it has failed or when it
        may have been submitted and its id was lost (`outcome_unknown`), and what the calls raise.
        """
        for number in range(1, MOST_RUNS + 1):
            name = key if number == 1 else f"{key} #{number}"
            handle = Handle(**await self._attempt.step(f"submit {name}", partial(self._submitted, ask, name)))
            try:
                run = Run(**await self._attempt.step(f"run {name}", partial(self._finished, handle)))
            except Permanent as lost:
                if handle.adopted and lost.code == "not_found":
                    continue  # one that the service has forgotten; an operator has said what became of it
                raise
            error = run.error()
            if error is None:
                source = {"provider": "perplexity", "operation": "v1/agent", "host": run.host, "model": run.model}
                self._attempt.cite(**source, effort=run.effort, synthetic=run.synthetic)
                return run
            if not handle.adopted:
                raise error
        raise Permanent(f"{MOST_RUNS} runs of {key} at {NAME} have failed; look at them first", code="too_many_runs")

    async def _submitted(self, ask: Ask, key: str) -> dict[str, Any]:
        return (await self.submit(ask, key=key)).model_dump(mode="json")

    async def _finished(self, handle: Handle) -> dict[str, Any]:
        run = await self.poll(handle)
        if run.running:
            effort = (handle.effort or "").partition("@")[0]
            raise Waiting(
                f"{NAME} works on it ({run.status})", retry_after=LOOK_AGAIN.get(effort, timedelta(seconds=10))
            )
        return run.model_dump(mode="json")

    async def submit(self, ask: Ask, *, key: str) -> Handle:
        """Submit a run, or take over the one that was submitted under this key. Make it a step of its own.

        Raises :class:`Permanent` with the code `outcome_unknown` when one may have been submitted whose id is lost.
        """
        held = ask.hold
        handle = partial(Handle, key=key, held_micro=held, effort=ask.effort, structured=ask.schema is not None)
        async with self._keyed("v1/agent", key, held) as call:
            if call.resumed and call.provider_ref is None:
                call.unclear("outcome_unknown")
                raise Permanent(
                    f"{NAME} may be working on {key} already, and its id was lost; resolve that spend",
                    code="outcome_unknown",
                )
            if call.resumed and call.provider_ref is not None:
                call.under_way(call.provider_ref)
                return handle(id=call.provider_ref, adopted=True)
            body = {**ask.body(), "background": True, "store": True}
            run = read_run(await self._make(call, "v1/agent", json=body))
            if isinstance(run, ProducerError):
                call.unclear(run.code)
                raise run
            call.under_way(run.id)
            return handle(id=run.id)

    async def poll(self, handle: Handle) -> Run:
        """The run as it stands now; its spend is settled when it has ended. A failed run is no error here."""
        path = f"v1/responses/{quote(handle.id, safe='')}"
        async with self._keyed("v1/agent", handle.key, handle.held_micro) as call:
            answer = await self._ask(call, path, ref=handle.id)
            run = read_run(_object(answer), effort=handle.effort, structured=handle.structured)
            if isinstance(run, ProducerError):
                raise run
            run.host, run.synthetic = wire.host_of(self._http), answer.synthetic
            if not run.running and run.cost_micro is None:
                call.took(outcome="price unknown" if run.status == "completed" else f"{run.status}, price unknown")
            elif not run.running:
                call.took(outcome=run.status, usd_micro=run.cost_micro or 0)
            return run

    async def cancel(self, handle: Handle) -> bool:
        """Ask for the end of a run; False when it has ended already. What it has cost, the next poll finds out."""
        path = f"v1/responses/{quote(handle.id, safe='')}/cancel"
        async with self._spends.call("v1/responses/cancel", timeout=TIMEOUT) as call:
            answer = await wire.exchange(self._http, call, "POST", path, name=NAME)
            if answer.status == 400:
                return False
            _object(answer)
            return True

    async def models(self) -> list[str]:
        """The models that can be asked for."""
        async with self._spends.call("v1/models", timeout=TIMEOUT) as call:
            answer = await wire.exchange(self._http, call, "GET", "v1/models", name=NAME)
            rows = _object(answer).get("data")
        return [row["id"] for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []

    # --- batches -----------------------------------------------------------------------------------------------------

    async def upload(self, asks: Mapping[str, Ask]) -> str:
        """Upload the questions of a batch, by custom id; the id of the file. It costs nothing and may be repeated."""
        lines = [json.dumps({"custom_id": name, "body": ask.body()}, ensure_ascii=False) for name, ask in asks.items()]
        file = {
            "file": ("batch.jsonl", ("\n".join(lines) + "\n").encode(), "application/jsonl"),
            "purpose": (None, "batch"),
        }
        async with self._spends.call("v1/files", timeout=TIMEOUT) as call:
            answer = await wire.exchange(self._http, call, "POST", "v1/files", name=NAME, files=file)
            file_id = _object(answer).get("id")
        if not isinstance(file_id, str):
            raise Transient(f"{NAME} answered without the id of the file", code="unexpected_answer")
        return file_id

    async def create_batch(
        self, file_id: str, asks: Mapping[str, Ask], *, key: str, window: timedelta = BATCH_WINDOW
    ) -> BatchHandle:
        """Create a batch of an uploaded file, once per ``key``. Make it a step of its own.

        The service answers a repeated key with the original batch, for a time that it does not tell; ``window`` is how
        long we trust that. A repetition first looks for the key among the batches that there are.
        """
        asked = {
            name: Asked(effort=ask.effort, structured=ask.schema is not None, held_micro=ask.hold)
            for name, ask in asks.items()
        }
        held = sum(one.held_micro for one in asked.values())
        async with self._spends.call(
            "v1/batches", effect="resend", idempotency_key=key, window=window, timeout=TIMEOUT, usd_micro=held
        ) as call:
            batch_id = (call.provider_ref or await self._find_batch(call, key)) if call.resumed else None
            if batch_id is None:
                wish = {"input_file_id": file_id, "endpoint": "/v1/responses", "completion_window": "24h"}
                body = {**wish, "metadata": {MARK: key}}
                made = await self._make(call, "v1/batches", json=body, headers={"idempotency-key": key})
                batch_id = made.get("id")
            if not isinstance(batch_id, str):
                call.unclear("unexpected_answer")
                raise Transient(f"{NAME} answered without the id of the batch", code="unexpected_answer")
            call.under_way(batch_id)
            return BatchHandle(id=batch_id, key=key, asked=asked)

    async def read_batch(self, handle: BatchHandle) -> Batch:
        """The batch as it stands now, with its results once it has ended; its spend is settled then.

        With the files of results it asks up to three times, which counts as one call: in the least tier more than one
        would never be let through.
        """
        held = sum(one.held_micro for one in handle.asked.values())
        async with self._keyed("v1/batches", handle.key, held) as call:
            value = _object(await self._ask(call, f"v1/batches/{quote(handle.id, safe='')}", ref=handle.id))
            batch = Batch(id=handle.id, status=str(value.get("status")))
            if batch.running:
                return batch
            for file in (value.get("output_file_id"), value.get("error_file_id")):
                if isinstance(file, str) and file:
                    answer = await self._ask(call, f"v1/files/{quote(file, safe='')}/content", ref=handle.id)
                    _collect(batch, answer, handle.asked, wire.host_of(self._http))
            if batch.status == "completed":  # what no file speaks of has been worked on all the same
                told = {*batch.runs, *batch.refused, *batch.unread}
                batch.unread += [name for name in handle.asked if name not in told]
            call.took(outcome=batch.status, usd_micro=_cost_of(batch, handle.asked))
            return batch

    async def _find_batch(self, call: Call, key: str) -> str | None:
        """The batch that was created under this key; None when it is proven that there is none."""
        after: dict[str, str] = {}
        for _ in range(MOST_PAGES):
            page = _object(await self._ask(call, "v1/batches", ref=None, params={"limit": "100", **after}))
            data = page.get("data")
            if not isinstance(data, list):
                raise Transient(f"{NAME} answered with something that is no list of batches", code="unexpected_answer")
            rows = [row for row in data if isinstance(row, dict) and row.get("id")]
            for row in rows:
                if isinstance(row.get("metadata"), dict) and row["metadata"].get(MARK) == key:
                    return str(row["id"])
            if not page.get("has_more") or not rows:
                call.not_found()
                return None
            after = {"after": str(rows[-1]["id"])}
        raise Permanent(
            f"{NAME} has too many batches to look through for {key}; resolve that spend", code="outcome_unknown"
        )

    # --- calls -------------------------------------------------------------------------------------------------------

    def _keyed(self, operation: str, key: str, held: int) -> AbstractAsyncContextManager[Call]:
        return self._spends.call(operation, effect="lookup", idempotency_key=key, timeout=TIMEOUT, usd_micro=held)

    async def _make(self, call: Call, path: str, **request: Any) -> dict[str, Any]:
        """Something is made and paid for. A refusal proves that it was not; anything else leaves it open."""
        try:
            answer = await wire.exchange(self._http, call, "POST", path, name=NAME, **request)
        except BaseException as error:
            _leave_open(call, error)
            raise
        value = read_answer(answer)
        if isinstance(value, ProducerError):
            if 400 <= answer.status < 500 and answer.status not in DOUBTFUL:
                call.refused(value.code)
            else:
                call.unclear(value.code)
            raise value
        return value

    async def _ask(self, call: Call, path: str, *, ref: str | None, **request: Any) -> wire.Answer:
        """Ask about what was made before: whatever is answered, or goes wrong, it goes on until we know its end."""
        try:
            return await wire.exchange(self._http, call, "GET", path, name=NAME, **request)
        finally:
            if ref is None:
                call.unclear("looked for")
            else:
                call.under_way(ref)


def _leave_open(call: Call, error: BaseException) -> None:
    """Half an answer is none: only the words of the provider settle what it was paid."""
    code = getattr(error, "code", None) or type(error).__name__
    if code not in ("unreachable", "fenced"):
        call.unclear(code)


def _object(answer: wire.Answer) -> dict[str, Any]:
    value = read_answer(answer)
    if isinstance(value, ProducerError):
        raise value
    return value


def _collect(batch: Batch, answer: wire.Answer, asked: Mapping[str, Asked], host: str) -> None:
    """Add what a file of results says: ``{"custom_id", "response": {"status_code", "body"}, "error"}`` in each line."""
    if answer.status != 200:
        raise refusal(answer.status, answer.body, answer.headers)
    for line in answer.body.splitlines():
        try:
            value = read_json(line)
        except ValueError:
            raise Transient(f"{NAME} answered with lines that are not JSON", code="not_json") from None
        if not isinstance(value, dict) or not isinstance(value.get("custom_id"), str):
            continue
        name, response = value["custom_id"], value.get("response")
        body = response.get("body") if isinstance(response, dict) else None
        one = asked.get(name)
        run = read_run(
            body if isinstance(body, dict) else {},
            effort=one.effort if one else None,
            structured=one.structured if one else False,
        )
        if isinstance(run, Run):
            run.host, run.synthetic = host, answer.synthetic
            batch.runs[name] = run
        elif value.get("error") or (isinstance(response, dict) and response.get("status_code") != 200):
            batch.refused[name] = json.dumps(value.get("error") or body, default=str)[:MOST_WORDS]
        else:
            batch.unread.append(name)


def _cost_of(batch: Batch, asked: Mapping[str, Asked]) -> int:
    """What the runs have cost; what has no price or cannot be read is taken as held."""
    costs = {**dict.fromkeys(batch.unread), **{name: run.cost_micro for name, run in batch.runs.items()}}
    held = {name: one.held_micro for name, one in asked.items()}
    return sum(held.get(name, 0) if cost is None else cost for name, cost in costs.items())
