"""Files and batches: /v1/files and /v1/batches, in the form that OpenAI made and Perplexity took over.

A batch is a record and a function of the time: validating, in_progress, finalizing, completed; or failed, expired,
cancelling, cancelled. What it costs is billed to the call that creates it, all at once; what a cancelled or expired
batch has not done is not billed. Lines are answered in their order, one after the other.

Faults on `v1/batches` (the creation): `batch_failed` (the check of the file fails), `batch_expired` (it ends half
done), `slow_run` (in_progress for `seconds`), `forgotten_key` (the idempotency key is not remembered).
Faults on `v1/batches/line` meet single lines, `match` finds them by their text; kinds as for a direct call.
"""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Callable
from dataclasses import asdict, dataclass
from typing import Any
from uuid import uuid4

from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser

from openbell.sandbox.faults import Fault
from openbell.sandbox.journal import Store
from openbell.sandbox.ledger import Entry
from openbell.sandbox.llm.lifecycle import BATCH_S, CHECK_S, bill_of, lines_done
from openbell.sandbox.simulator import Answer, Call, Refused, Simulator

KINDS = frozenset(("batch_failed", "batch_expired", "slow_run", "forgotten_key"))
KEPT_S = 30 * 86_400
WINDOW_S = 86_400
LINES_MAX = 50_000
LIST_DEFAULT, LIST_MAX = 20, 100
LINE_PATH = "v1/batches/line"

Record = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Done:
    """What became of a line: the answer as of a direct call, and what it cost."""

    status: int
    body: Any
    usd_micro: int = 0
    input_tokens: int = 0
    output_tokens: int = 0


class BatchDesk:
    """Keeps files and batches of a simulator and answers for them.

    run: answers one line (endpoint, body, fault). refuse: the simulator's own form of an error (status, message,
    param).
    by_key: whether a repeated Idempotency-Key gives the original batch.
    """

    def __init__(
        self,
        simulator: Simulator,
        store: Store,
        *,
        endpoints: frozenset[str],
        run: Callable[[str, Any, Fault | None], Done],
        refuse: Callable[[int, str, str | None], Refused],
        by_key: bool,
    ) -> None:
        self._simulator = simulator
        self._store = store
        self._endpoints = endpoints
        self._run = run
        self._refuse = refuse
        self._by_key = by_key
        simulator.on("POST", "v1/files", self.upload)
        simulator.on("GET", "v1/files", self.list_files)
        simulator.on("GET", "v1/files/{id}", self.file)
        simulator.on("GET", "v1/files/{id}/content", self.content)
        simulator.on("DELETE", "v1/files/{id}", self.delete)
        simulator.on("POST", "v1/batches", self.create)
        simulator.on("GET", "v1/batches", self.list_batches)
        simulator.on("GET", "v1/batches/{id}", self.batch)
        simulator.on("POST", "v1/batches/{id}/cancel", self.cancel)

    # Files

    async def upload(self, call: Call) -> Answer:
        """Keep a file: a form with `file` and `purpose`. Free of charge, and repeatable."""
        form = await _form(call)
        if form is None:
            raise self._refuse(400, "The form needs a file and the purpose 'batch'.", "purpose")
        filename, content = form
        record: Record = {
            "id": f"file-{uuid4().hex}",
            "filename": filename,
            "purpose": "batch",
            "created_at": int(self._now()),
            "content": content,
        }
        self._store.put("file", record["id"], record)
        call.refer(record["id"])
        return self._simulator.answer(_file_json(record))

    async def list_files(self, call: Call) -> Answer:
        """All files, newest first."""
        records = [record for record in self._store.all("file") if record is not None]
        for batch in self._store.all("batch"):
            records += [made for made in self._results(batch) if made is not None]
        wanted = call.params.get("purpose")
        found = [_file_json(r) for r in reversed(records) if wanted in (None, r["purpose"])]
        return self._simulator.answer(self._page(call, found))

    async def file(self, call: Call) -> Answer:
        """About one file."""
        return self._simulator.answer(_file_json(self._file(call)))

    async def content(self, call: Call) -> Answer:
        """What is in a file."""
        body = self._file(call)["content"].encode()
        return Answer(200, body, "application/octet-stream", self._simulator.labelled())

    async def delete(self, call: Call) -> Answer:
        """Forget an uploaded file."""
        record = self._file(call)
        self._store.put("file", record["id"], None)
        return self._simulator.answer({"id": record["id"], "object": "file", "deleted": True})

    def _file(self, call: Call) -> Record:
        wanted: str = call.arguments["id"]
        call.refer(wanted)
        found: Record | None = self._store.get("file", wanted)
        if found is None and (batch := self._store.get("batch", "batch_" + wanted.rpartition("-")[2])) is not None:
            found = next((made for made in self._results(batch) if made and made["id"] == wanted), None)
        if found is None:
            raise self._refuse(404, f"No such File object: {wanted}", "id")
        return found

    # Batches

    async def create(self, call: Call) -> Answer:
        """Check the request, answer every line, bill them, and keep the batch; or give back the original."""
        try:
            request = call.json()
        except ValueError as wrong:
            raise self._refuse(400, f"The body is no JSON: {wrong}", None) from wrong
        key = call.headers.get("idempotency-key")
        original = self._store.get("key", key) if key and self._by_key and not call.meets("forgotten_key") else None
        if original is not None:
            call.refer(original)
            return self._simulator.answer(self._batch_json(self._store.get("batch", original)))
        record = self._made(call, self._checked(request))
        self._store.put("batch", record["id"], record)
        if key:
            self._store.put("key", key, record["id"])
        call.refer(record["id"])
        done = record["lines"][: lines_done(record, float("inf"))]
        call.bill(**bill_of(done))
        return self._simulator.answer(self._batch_json(record))

    async def batch(self, call: Call) -> Answer:
        """How far a batch is."""
        return self._simulator.answer(self._batch_json(self._record(call)))

    async def list_batches(self, call: Call) -> Answer:
        """All batches with their metadata, newest first: how a lost id is found again."""
        found = [self._batch_json(record) for record in reversed(self._store.all("batch"))]
        return self._simulator.answer(self._page(call, found))

    async def cancel(self, call: Call) -> Answer:
        """Stop after the line that is being answered."""
        record = self._record(call)
        status = self._status(record)
        if status in ("completed", "failed", "expired", "cancelled"):
            raise self._refuse(400, f"Cannot cancel a batch with status '{status}'.", None)
        if record["cancelling_at"] is None:
            before = lines_done(record, float("inf"))
            record = {**record, "cancelling_at": self._now()}
            self._store.put("batch", record["id"], record)
            undone = record["lines"][lines_done(record, float("inf")) : before]
            self._take_back(record["id"], undone)
        return self._simulator.answer(self._batch_json(record))

    def _take_back(self, reference: str, lines: list[Record]) -> None:
        ledger = self._simulator.house.ledger
        entry: Entry | None = ledger.find(self._simulator.name, reference)
        if entry is not None and entry.billed:
            ledger.bill(entry, **{name: -amount for name, amount in bill_of(lines).items()})

    def _record(self, call: Call) -> Record:
        call.refer(call.arguments["id"])
        found: Record | None = self._store.get("batch", call.arguments["id"])
        if found is None:
            raise self._refuse(404, f"No batch found with id '{call.arguments['id']}'.", "id")
        return found

    def _checked(self, request: Any) -> Record:
        known = {"input_file_id", "endpoint", "completion_window", "metadata"}
        if not isinstance(request, dict):
            raise self._refuse(400, "The body must be a JSON object.", None)
        for name in request:
            if name not in known:
                raise self._refuse(400, f"Unknown parameter: '{name}'.", name)
        if request.get("endpoint") not in self._endpoints:
            raise self._refuse(400, f"endpoint must be one of {', '.join(sorted(self._endpoints))}.", "endpoint")
        if request.get("completion_window", "24h") != "24h":
            raise self._refuse(400, "completion_window must be 24h.", "completion_window")
        metadata = request.get("metadata") or {}
        if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
            raise self._refuse(400, "metadata must hold texts.", "metadata")
        if self._store.get("file", str(request.get("input_file_id"))) is None:
            raise self._refuse(400, f"No such File object: {request.get('input_file_id')}", "input_file_id")
        return request

    def _made(self, call: Call, request: Record) -> Record:
        content: str = self._store.get("file", request["input_file_id"])["content"]
        lines, problems = _parsed(content)
        if call.meets("batch_failed"):
            problems = [{"code": "invalid_json_line", "line": 1, "message": "This line is not parseable as JSON."}]
        spec = call.fault.spec if call.fault else None
        return {
            "id": f"batch_{uuid4().hex}",
            "endpoint": request["endpoint"],
            "input_file_id": request["input_file_id"],
            "metadata": request.get("metadata"),
            "created": self._now(),
            "work_s": spec.seconds if spec and spec.kind == "slow_run" else BATCH_S,
            "cancelling_at": None,
            "expires_half_done": call.meets("batch_expired"),
            "problems": problems,
            "lines": [] if problems else [self._answered(request["endpoint"], *line) for line in lines],
        }

    def _answered(self, endpoint: str, text: str, line: Record) -> Record:
        house = self._simulator.house
        fault = house.faults.take(self._simulator.name, LINE_PATH, text=text)
        return {"custom_id": line["custom_id"], **asdict(self._run(endpoint, line["body"], fault))}

    # A batch as a function of the time

    def _status(self, record: Record) -> str:
        now = self._now()
        age = now - record["created"]
        if record["cancelling_at"] is not None:
            return "cancelled" if now >= record["cancelling_at"] + CHECK_S else "cancelling"
        if age < CHECK_S:
            return "validating"
        if record["problems"]:
            return "failed"
        if age < CHECK_S + record["work_s"]:
            return "in_progress"
        if age < 2 * CHECK_S + record["work_s"]:
            return "finalizing"
        return "expired" if record["expires_half_done"] else "completed"

    def _results(self, record: Record) -> tuple[Record | None, Record | None]:
        """The output file and the error file, as soon as the batch has ended."""
        status = self._status(record)
        if status not in ("completed", "cancelled", "expired"):
            return None, None
        done = lines_done(record, self._now())
        good = [_output(record, line) for line in record["lines"][:done] if line["status"] < 400]
        bad = [_output(record, line) for line in record["lines"][:done] if line["status"] >= 400]
        bad += [_output(record, line, f"batch_{status}") for line in record["lines"][done:]]
        return self._result(record, "output", good), self._result(record, "errors", bad)

    def _result(self, record: Record, what: str, lines: list[Record]) -> Record | None:
        if not lines:
            return None
        return {
            "id": f"file-{what}-{record['id'].removeprefix('batch_')}",
            "filename": f"{record['id']}_{what}.jsonl",
            "purpose": "batch_output",
            "created_at": int(record["created"] + record["work_s"] + 2 * CHECK_S),
            "content": "".join(json.dumps(line, separators=(",", ":")) + "\n" for line in lines),
        }

    def _batch_json(self, record: Record) -> Record:
        status, done = self._status(record), lines_done(record, self._now())
        answered = record["lines"][:done]
        output, errors = self._results(record)
        created = record["created"]
        ended = int(created + record["work_s"] + 2 * CHECK_S)
        began = status not in ("validating", "failed")
        tokens = sum(line["input_tokens"] for line in answered), sum(line["output_tokens"] for line in answered)
        cancelling = record["cancelling_at"] and int(record["cancelling_at"])
        return {
            "id": record["id"],
            "object": "batch",
            "endpoint": record["endpoint"],
            "errors": {"object": "list", "data": record["problems"]} if status == "failed" else None,
            "input_file_id": record["input_file_id"],
            "completion_window": "24h",
            "status": status,
            "output_file_id": output and output["id"],
            "error_file_id": errors and errors["id"],
            "created_at": int(created),
            "in_progress_at": int(created + CHECK_S) if began else None,
            "expires_at": int(created) + WINDOW_S,
            "finalizing_at": int(created + CHECK_S + record["work_s"])
            if status in ("finalizing", "completed")
            else None,
            "completed_at": ended if status == "completed" else None,
            "failed_at": int(created + CHECK_S) if status == "failed" else None,
            "expired_at": ended if status == "expired" else None,
            "cancelling_at": cancelling,
            "cancelled_at": cancelling if status == "cancelled" else None,
            "request_counts": {
                "total": len(record["lines"]),
                "completed": sum(line["status"] < 400 for line in answered),
                "failed": sum(line["status"] >= 400 for line in answered),
            },
            "metadata": record["metadata"],
            "usage": {
                "input_tokens": tokens[0],
                "input_tokens_details": {"cached_tokens": 0},
                "output_tokens": tokens[1],
                "output_tokens_details": {"reasoning_tokens": 0},
                "total_tokens": sum(tokens),
            },
        }

    def _page(self, call: Call, found: list[Record]) -> Record:
        text = call.params.get("limit", str(LIST_DEFAULT))
        if not text.isdecimal() or not 1 <= int(text) <= LIST_MAX:
            raise self._refuse(400, f"limit must be between 1 and {LIST_MAX}.", "limit")
        ids = [one["id"] for one in found]
        after = call.params.get("after")
        start = ids.index(after) + 1 if after in ids else 0
        page = found[start : start + int(text)]
        return {
            "object": "list",
            "data": page,
            "first_id": page[0]["id"] if page else None,
            "last_id": page[-1]["id"] if page else None,
            "has_more": start + len(page) < len(found),
        }

    def _now(self) -> float:
        return self._simulator.house.wall()


def _parsed(content: str) -> tuple[list[tuple[str, Record]], list[Record]]:
    """Each line as text and object, and what is wrong with the file."""
    lines: list[tuple[str, Record]] = []
    problems: list[Record] = []
    seen: set[str] = set()
    texts = content.splitlines()
    if not texts or len(texts) > LINES_MAX:
        return [], [{"code": "invalid_file", "line": None, "message": f"A batch has 1 to {LINES_MAX} lines."}]
    for number, text in enumerate(texts, 1):
        problem = _problem(text, seen)
        if problem:
            problems.append({"code": problem[0], "line": number, "message": problem[1]})
        else:
            lines.append((text, json.loads(text)))
    return lines, problems


def _problem(text: str, seen: set[str]) -> tuple[str, str] | None:
    try:
        line = json.loads(text)
    except ValueError:
        return "invalid_json_line", "This line is not parseable as JSON."
    name = line.get("custom_id") if isinstance(line, dict) else None
    if not isinstance(name, str) or not isinstance(line.get("body"), dict):
        return "missing_required_parameter", "A line needs a custom_id and a body."
    if name in seen:
        return "duplicate_custom_id", f"The custom_id '{name}' is used more than once."
    seen.add(name)
    return None


def _output(record: Record, line: Record, unanswered: str | None = None) -> Record:
    number = f"batch_req_{record['id'].removeprefix('batch_')[:12]}_{line['custom_id']}"
    if unanswered:
        error = {"code": unanswered, "message": "This request was not executed before the batch ended."}
        return {"id": number, "custom_id": line["custom_id"], "response": None, "error": error}
    response = {"status_code": line["status"], "request_id": number, "body": line["body"]}
    return {"id": number, "custom_id": line["custom_id"], "response": response, "error": None}


def _file_json(record: Record) -> Record:
    return {
        "id": record["id"],
        "object": "file",
        "bytes": len(record["content"].encode()),
        "created_at": record["created_at"],
        "expires_at": record["created_at"] + KEPT_S,
        "filename": record["filename"],
        "purpose": record["purpose"],
        "status": "processed",
    }


async def _form(call: Call) -> tuple[str, str] | None:
    """Name and content of the file, or None when the form is not what it should be."""

    async def body() -> AsyncGenerator[bytes, None]:
        yield call.body

    if not call.headers.get("content-type", "").startswith("multipart/form-data"):
        return None
    try:
        form = await MultiPartParser(call.headers, body()).parse()
    except MultiPartException:
        return None
    try:
        file = form.get("file")
        if not isinstance(file, UploadFile) or form.get("purpose") != "batch":
            return None
        return file.filename or "upload.jsonl", (await file.read()).decode(errors="replace")
    finally:
        await form.close()
