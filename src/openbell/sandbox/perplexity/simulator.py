"""The Agent API: create, read, cancel, stream, models, files, batches; and the retired paths.

What is accepted is billed at once, also a run in the background; one that is cancelled gives back what it has not used.
A repeated create makes another run, whatever its Idempotency-Key: only batches know the header.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from openbell.sandbox.faults import Fault, FaultSpec
from openbell.sandbox.house import House
from openbell.sandbox.llm.batches import KINDS as BATCH_KINDS
from openbell.sandbox.llm.batches import BatchDesk, Done
from openbell.sandbox.llm.events import MEDIA_TYPE
from openbell.sandbox.llm.prices import PERPLEXITY, listing
from openbell.sandbox.perplexity import runs, stream
from openbell.sandbox.perplexity.body import Body, bad, check, error, read
from openbell.sandbox.simulator import Answer, Call, Refused, Simulator

# kind -> status, message, type
REFUSALS: Mapping[str, tuple[int, str, str]] = {
    "unauthorized": (401, "Invalid API key provided.", "invalid_api_key"),
    "organisation_key": (403, "This key belongs to an organization and cannot be used here.", "forbidden"),
    "insufficient_quota": (401, "You exceeded your current quota, please check your plan.", "insufficient_quota"),
    "migration_required": (403, "Please move to the Agent API.", "agent_api_migration_required"),
    "rate_limited": (429, "Request rate limit exceeded, please try again later.", "rate_limit_exceeded"),
    "server_error": (500, "Internal server error.", "server_error"),
    "overloaded": (503, "The service is overloaded.", "overloaded"),
}
RETIRED = (403, "Sonar is now the Agent API. Use POST /v1/agent.", "chat_completions_not_available")
# failed: failed in a 200, not billed; failed_billed: the same, but billed. incomplete: cut, billed. lost: made and
# billed, but its id is not found. cost: `amount` micro-dollars instead. no_cost, no_usage: the answer does not tell.
# bad_json, wrong_schema, fenced: what the text is. stay_queued, slow_run: for `seconds`.
RUN_KINDS = frozenset(
    (
        "failed",
        "failed_billed",
        "incomplete",
        "requires_action",
        "lost",
        "cost",
        "no_cost",
        "no_usage",
        "no_results",
        "unknown_item",
        "bad_json",
        "wrong_schema",
        "fenced",
        "stay_queued",
        "slow_run",
    )
)


class Perplexity(Simulator):
    """Everything below /perplexity."""

    name = "perplexity"
    mount = "/perplexity"
    data_class = "synthetic; invented answer, no model was asked"
    kinds = frozenset(REFUSALS) | RUN_KINDS | BATCH_KINDS | {"html502"}
    timed = frozenset(("stay_queued", "slow_run"))

    def __init__(self, house: House) -> None:
        super().__init__(house)
        self._store = house.store(self.name)
        for noun in ("agent", "responses"):
            self.on("POST", f"v1/{noun}", self.create)
            self.on("GET", f"v1/{noun}/{{id}}", self.read)
            self.on("POST", f"v1/{noun}/{{id}}/cancel", self.cancel)
        self.on("GET", "v1/models", self.models)
        for path in ("chat/completions", "async/chat/completions"):
            self.on("POST", path, self.retired)
        self._batches = BatchDesk(
            self,
            self._store,
            endpoints=frozenset(("/v1/responses",)),
            run=self._line,
            refuse=lambda status, message, param: Refused(error(status, message, "invalid_request", param)),
            by_key=True,
        )

    def admit(self, call: Call) -> None:
        """A key in the Authorization header."""
        if not self.house.knows(call.bearer()):
            raise Refused(error(*REFUSALS["unauthorized"]))

    def refusal(self, spec: FaultSpec) -> Answer | None:
        """Refusals that any path may give."""
        if spec.kind not in REFUSALS:
            return None
        status, message, kind = REFUSALS[spec.kind]
        headers = {} if spec.retry_after_s is None else {"retry_after": f"{spec.retry_after_s:g}"}
        return error(status, spec.text or message, kind, **headers)

    def unknown(self, call: Call) -> Answer:
        """A path that does not exist."""
        return error(404, f"There is no {call.method} /{call.path}.", "not_found")

    async def create(self, call: Call) -> Answer:
        """Accept a run: bill it, keep it, and answer with it, with its beginning, or with its events."""
        body = read(call.body)
        self._check_previous(body)
        record = self._begin(body, call.fault)
        if not call.meets("lost"):
            self._store.put("run", record["id"], record)
        call.refer(record["id"])
        call.bill(usd_micro=record["usd_micro"], calls=1 if record["usd_micro"] else 0)
        if body.get("stream"):
            return self._streamed(record, -1)
        return self.answer(runs.view(record, self.house.wall()))

    async def read(self, call: Call) -> Answer:
        """A run as it is now; or the rest of its events."""
        record = self._record(call)
        if not record["store"]:
            raise self._not_found(record["id"])
        if call.params.get("stream") != "true":
            return self.answer(runs.view(record, self.house.wall()))
        after = call.params.get("starting_after", "")
        if not after.isdecimal():
            raise bad("stream=true needs starting_after, a whole number", "starting_after")
        return self._streamed(record, int(after))

    async def cancel(self, call: Call) -> Answer:
        """Stop a run that has not ended; what it has not used is not billed."""
        record, now = self._record(call), self.house.wall()
        status = runs.status_at(record, now)
        if status in runs.TERMINAL:
            raise bad(f"response {record['id']} is already {status}")
        if record["cancelled_at"] is None:
            cancelled, unused = runs.cancel(record, now)
            self._store.put("run", record["id"], cancelled)
            entry = self.house.ledger.find(self.name, record["id"])
            if entry is not None and entry.billed:
                self.house.ledger.bill(entry, usd_micro=-unused, calls=0 if cancelled["usd_micro"] else -1)
        return self.answer({"response_id": record["id"], "status": "cancelling"})

    async def models(self, _: Call) -> Answer:
        """The models that can be named; prices are not told."""
        return self.answer(listing(PERPLEXITY))

    async def retired(self, _: Call) -> Answer:
        """What was the API until September 2026."""
        raise Refused(error(*RETIRED))

    def _begin(self, body: Body, fault: Fault | None) -> runs.Record:
        return runs.begin(body, fault, now=self.house.wall(), day=self.house.moment().day)

    def _line(self, endpoint: str, body: Any, fault: Fault | None) -> Done:  # noqa: ARG002 - there is only one
        if fault is not None and fault.kind in REFUSALS:
            return Done(REFUSALS[fault.kind][0], json.loads(error(*REFUSALS[fault.kind]).parts[0]))
        try:
            record = self._begin({**check(body), "background": False}, fault)
        except Refused as refused:
            return Done(refused.answer.status, json.loads(refused.answer.parts[0]))
        usage = record["usage"] or {}
        counts = usage.get("input_tokens", 0), usage.get("output_tokens", 0)
        return Done(200, runs.view(record, self.house.wall()), record["usd_micro"], *counts)

    def _check_previous(self, body: Body) -> None:
        previous = body.get("previous_response_id")
        if previous is None:
            return
        record = self._store.get("run", previous)
        if record is None or runs.status_at(record, self.house.wall()) != "completed":
            raise bad(f"previous_response_id {previous} is not a completed response", "previous_response_id")

    def _streamed(self, record: runs.Record, after: int) -> Answer:
        """The whole stream at once: the sandbox does not make a reader wait for a run in the background."""
        view = runs.view({**record, "background": False}, self.house.wall())
        return Answer(200, stream.parts(view, after), MEDIA_TYPE, self.labelled())

    def _record(self, call: Call) -> runs.Record:
        call.refer(call.arguments["id"])
        record: runs.Record | None = self._store.get("run", call.arguments["id"])
        if record is None:
            raise self._not_found(call.arguments["id"])
        return record

    def _not_found(self, identifier: str) -> Refused:
        return Refused(error(404, f"Response with id '{identifier}' not found.", "not_found"))
