"""Message batches: a record and a function of the time, billed at half the price when created.

Faults: `batch_expired` (ends half done) and `slow_run` (at work for `seconds`) on `v1/messages/batches`; faults on
`v1/messages/batches/line` meet single requests, `match` finds them by their text. A repeated create makes another
batch.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from openbell.sandbox.anthropic.errors import bad
from openbell.sandbox.faults import Fault
from openbell.sandbox.journal import Store
from openbell.sandbox.llm.lifecycle import BATCH_S, CHECK_S, Record, bill_of, lines_done
from openbell.sandbox.simulator import Answer, Call, Simulator

KINDS = frozenset(("batch_expired", "slow_run"))
REQUESTS_MAX = 100_000
LIST_DEFAULT, LIST_MAX = 20, 1_000
DAY_S = 86_400
PATH = "v1/messages/batches"
LINE_PATH = f"{PATH}/line"

Json = dict[str, Any]
# Answers one request (params, fault): the result as in the file, and what it costs in micro-dollars.
Run = Callable[[Any, Fault | None], tuple[Json, int]]


class MessageBatches:
    """Keeps batches of a simulator and answers for them."""

    def __init__(self, simulator: Simulator, store: Store, run: Run) -> None:
        self._simulator = simulator
        self._store = store
        self._run = run
        simulator.on("POST", PATH, self.create)
        simulator.on("GET", PATH, self.list_batches)
        simulator.on("GET", f"{PATH}/{{id}}", self.batch)
        simulator.on("POST", f"{PATH}/{{id}}/cancel", self.cancel)
        simulator.on("GET", f"{PATH}/{{id}}/results", self.results)
        simulator.on("DELETE", f"{PATH}/{{id}}", self.delete)

    async def create(self, call: Call) -> Answer:
        """Check the requests, answer them all, bill them, and keep the batch."""
        requests = _requests(call)
        spec = call.fault.spec if call.fault else None
        record: Record = {
            "id": f"msgbatch_{uuid4().hex[:24]}",
            "created": self._now(),
            "work_s": spec.seconds if spec and spec.kind == "slow_run" else BATCH_S,
            "cancelling_at": None,
            "expires_half_done": call.meets("batch_expired"),
            "lines": [self._answered(request) for request in requests],
        }
        self._store.put("batch", record["id"], record)
        call.refer(record["id"])
        done = record["lines"][: lines_done(record, float("inf"))]
        call.bill(**bill_of(done))
        return self._simulator.answer(self._json(call, record))

    async def batch(self, call: Call) -> Answer:
        """How far a batch is."""
        return self._simulator.answer(self._json(call, self._record(call)))

    async def list_batches(self, call: Call) -> Answer:
        """All batches, newest first."""
        text = call.params.get("limit", str(LIST_DEFAULT))
        if not text.isdecimal() or not 1 <= int(text) <= LIST_MAX:
            raise bad(f"limit: must be between 1 and {LIST_MAX}")
        records = [record for record in reversed(self._store.all("batch")) if record is not None]
        ids = [record["id"] for record in records]
        after, before = call.params.get("after_id"), call.params.get("before_id")
        start = ids.index(after) + 1 if after in ids else 0
        end = ids.index(before) if before in ids else len(ids)
        page = [self._json(call, record) for record in records[start:end][: int(text)]]
        first, last = (page[0]["id"], page[-1]["id"]) if page else (None, None)
        more = start + len(page) < end
        return self._simulator.answer({"data": page, "has_more": more, "first_id": first, "last_id": last})

    async def cancel(self, call: Call) -> Answer:
        """Stop after the request that is being answered; the rest is not billed."""
        record = self._record(call)
        if record["cancelling_at"] is None and self._status(record) == "in_progress":
            before = lines_done(record, float("inf"))
            record = {**record, "cancelling_at": self._now()}
            self._store.put("batch", record["id"], record)
            undone = record["lines"][lines_done(record, float("inf")) : before]
            ledger = self._simulator.house.ledger
            entry = ledger.find(self._simulator.name, record["id"])
            if entry is not None and entry.billed:
                ledger.bill(entry, **{name: -amount for name, amount in bill_of(undone).items()})
        return self._simulator.answer(self._json(call, record))

    async def results(self, call: Call) -> Answer:
        """One line per request, as soon as the batch has ended."""
        record = self._record(call)
        if self._status(record) != "ended":
            raise bad(f"Batch {record['id']} has no results yet.", 404, "not_found_error")
        lines = [{"custom_id": name, "result": result} for name, result in self._outcomes(record)]
        body = "".join(json.dumps(line, separators=(",", ":")) + "\n" for line in lines).encode()
        return Answer(200, body, "application/x-jsonl", self._simulator.labelled())

    async def delete(self, call: Call) -> Answer:
        """Forget a batch that has ended."""
        record = self._record(call)
        if self._status(record) != "ended":
            raise bad(f"Batch {record['id']} has not ended.")
        self._store.put("batch", record["id"], None)
        return self._simulator.answer({"id": record["id"], "type": "message_batch_deleted"})

    def _answered(self, request: Json) -> Record:
        simulator = self._simulator
        fault = simulator.house.faults.take(simulator.name, LINE_PATH, text=json.dumps(request))
        result, usd_micro = self._run(request["params"], fault)
        return {"custom_id": request["custom_id"], "result": result, "usd_micro": usd_micro}

    def _record(self, call: Call) -> Record:
        call.refer(call.arguments["id"])
        record: Record | None = self._store.get("batch", call.arguments["id"])
        if record is None:
            raise bad(f"Batch {call.arguments['id']} not found.", 404, "not_found_error")
        return record

    def _status(self, record: Record) -> str:
        now = self._now()
        if record["cancelling_at"] is not None:
            return "ended" if now >= record["cancelling_at"] + CHECK_S else "canceling"
        return "ended" if now >= record["created"] + 2 * CHECK_S + record["work_s"] else "in_progress"

    def _outcomes(self, record: Record) -> list[tuple[str, Json]]:
        done = lines_done(record, self._now())
        rest = {"type": "canceled" if record["cancelling_at"] is not None else "expired"}
        return [(line["custom_id"], line["result"] if n < done else rest) for n, line in enumerate(record["lines"])]

    def _json(self, call: Call, record: Record) -> Json:
        status = self._status(record)
        ended = status == "ended"
        outcomes = [result["type"] for _, result in self._outcomes(record)] if ended else []
        ends = record["cancelling_at"] or record["created"] + record["work_s"] + CHECK_S
        host = call.headers.get("host", "")
        url = f"http://{host}{self._simulator.mount}/{PATH}/{record['id']}/results"
        counts = {name: outcomes.count(name) for name in ("succeeded", "errored", "canceled", "expired")}
        return {
            "id": record["id"],
            "type": "message_batch",
            "processing_status": status,
            "request_counts": {"processing": 0 if ended else len(record["lines"]), **counts},
            "created_at": _time(record["created"]),
            "expires_at": _time(record["created"] + DAY_S),
            "ended_at": _time(ends + CHECK_S) if ended else None,
            "cancel_initiated_at": record["cancelling_at"] and _time(record["cancelling_at"]),
            "archived_at": None,
            "results_url": url if ended else None,
        }

    def _now(self) -> float:
        return self._simulator.house.wall()


def _requests(call: Call) -> list[Json]:
    try:
        body = call.json()
        requests = body["requests"]
        names = [request["custom_id"] for request in requests if isinstance(request["params"], dict)]
    except (ValueError, KeyError, TypeError) as wrong:
        raise bad("requests: each needs a custom_id and params") from wrong
    if not 1 <= len(requests) <= REQUESTS_MAX or len(names) != len(requests):
        raise bad(f"requests: 1 to {REQUESTS_MAX} with params are needed")
    if len(set(names)) < len(names):
        raise bad("requests: custom_id must be unique")
    return list(requests)


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")
