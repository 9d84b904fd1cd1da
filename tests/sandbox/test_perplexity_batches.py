"""Files and batches of the Agent API: the way to a run that is paid once (domain notes B2, the recipe)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.sandbox.harness import Running, Start
from tests.support import eventually

Json = dict[str, Any]
KEY = {"authorization": "Bearer sandbox"}
ENDED = ("completed", "failed", "expired", "cancelled")


def line(number: int, **body: Any) -> Json:
    return {"custom_id": f"user-{number}", "body": {"input": f"Pick for user {number}", "effort": "low", **body}}


async def upload(sandbox: Running, *lines: Any) -> str:
    content = "\n".join(one if isinstance(one, str) else json.dumps(one) for one in lines)
    files = {"file": ("in.jsonl", content.encode())}
    answer = await sandbox.client.post("/perplexity/v1/files", files=files, data={"purpose": "batch"}, headers=KEY)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["id"])


async def create(sandbox: Running, file: str, key: str | None = None, **more: Any) -> httpx.Response:
    body = {"input_file_id": file, "endpoint": "/v1/responses", "completion_window": "24h", **more}
    headers = {**KEY, "idempotency-key": key} if key else KEY
    return await sandbox.client.post("/perplexity/v1/batches", json=body, headers=headers)


async def get(sandbox: Running, path: str) -> httpx.Response:
    return await sandbox.client.get(f"/perplexity/v1/{path}", headers=KEY)


async def end(sandbox: Running, identifier: str) -> Json:
    async def ended() -> Json | None:
        found = (await get(sandbox, f"batches/{identifier}")).json()
        return found if found["status"] in ENDED else None

    return await eventually(ended)  # type: ignore[arg-type, return-value]


async def content(sandbox: Running, identifier: str) -> list[Json]:
    return [json.loads(one) for one in (await get(sandbox, f"files/{identifier}/content")).text.splitlines()]


async def test_lifecycle(sandbox: Running) -> None:
    """DC-1: upload is free, the batch is billed once, each line has its whole response with its own cost."""
    file = await upload(sandbox, line(1), line(2))
    made = (await create(sandbox, file, "week 47", metadata={"week": "47"})).json()
    assert (made["status"], made["output_file_id"], made["metadata"]) == ("validating", None, {"week": "47"})
    done = await end(sandbox, made["id"])
    assert (done["status"], done["error_file_id"]) == ("completed", None)
    assert done["request_counts"] == {"total": 2, "completed": 2, "failed": 0}
    found = await content(sandbox, done["output_file_id"])
    assert [one["custom_id"] for one in found] == ["user-1", "user-2"]
    runs = [one["response"]["body"] for one in found]
    assert [run["status"] for run in runs] == ["completed", "completed"]
    cost = sum(round(run["usage"]["cost"]["total_cost"] * 1_000_000) for run in runs)
    assert cost == await sandbox.billed_usd_micro("perplexity") > 0
    tokens = sum(run["usage"]["total_tokens"] for run in runs)
    assert done["usage"]["total_tokens"] == tokens


async def test_same_key_same_batch(sandbox: Running) -> None:
    """DC-1: a repeat with the same Idempotency-Key gives the original batch, and costs nothing."""
    file = await upload(sandbox, line(1))
    first = (await create(sandbox, file, "once")).json()
    billed = await sandbox.billed_usd_micro("perplexity")
    again = (await create(sandbox, file, "once")).json()
    assert again["id"] == first["id"]
    other = (await create(sandbox, file, "twice")).json()
    assert other["id"] != first["id"]
    assert await sandbox.billed_usd_micro("perplexity") == 2 * billed
    keys = [entry["idempotency_key"] for entry in await sandbox.entries("perplexity")]
    assert keys == [None, "once", "once", "twice"]


async def test_key_after_a_lost_answer(start: Start, tmp_path: Path) -> None:
    """DC-1: a create whose answer was lost is found by its key, even after the provider was away."""
    first = await start(state=tmp_path / "sandbox.json")
    file = await upload(first, line(1))
    await first.fault("drop", provider="perplexity", path="v1/batches", times=1)
    with pytest.raises(httpx.RemoteProtocolError):
        await create(first, file, "once")
    billed = await first.billed_usd_micro("perplexity")
    first.stop.set()
    await first.task
    second = await start(state=tmp_path / "sandbox.json")
    found = (await create(second, file, "once")).json()
    assert (await end(second, found["id"]))["status"] == "completed"
    assert await second.billed_usd_micro("perplexity") == billed > 0


async def test_forgotten_key(sandbox: Running) -> None:
    """How long a key is remembered is not documented; the listing with its metadata is the second guard."""
    file = await upload(sandbox, line(1))
    first = (await create(sandbox, file, "once", metadata={"attempt": "7"})).json()
    await sandbox.fault("forgotten_key", provider="perplexity", path="v1/batches", times=1)
    assert (await create(sandbox, file, "once")).json()["id"] != first["id"]
    listed = (await get(sandbox, "batches?limit=1")).json()
    assert listed["has_more"] is True
    rest = (await get(sandbox, f"batches?after={listed['last_id']}")).json()
    assert [(one["id"], one["metadata"]) for one in rest["data"]] == [(first["id"], {"attempt": "7"})]
    assert (rest["has_more"], rest["first_id"]) == (False, first["id"])


async def test_single_lines_go_wrong(sandbox: Running) -> None:
    """A bad or refused line is in the error file, a run that failed is in the output; the others are not touched."""
    place = {"provider": "perplexity", "path": "v1/batches/line"}
    await sandbox.fault("overloaded", match="user-2", **place)
    await sandbox.fault("failed", match="user-3", **place)
    file = await upload(sandbox, line(1), line(2), line(3), line(4, metadata={}))
    done = await end(sandbox, (await create(sandbox, file)).json()["id"])
    good, bad = await content(sandbox, done["output_file_id"]), await content(sandbox, done["error_file_id"])
    assert [(one["custom_id"], one["response"]["body"]["status"]) for one in good] == [
        ("user-1", "completed"),
        ("user-3", "failed"),
    ]
    assert [(one["custom_id"], one["response"]["status_code"]) for one in bad] == [("user-2", 503), ("user-4", 400)]
    assert done["request_counts"] == {"total": 4, "completed": 2, "failed": 2}
    assert [entry["billed_calls"] for entry in await sandbox.entries("perplexity") if entry["billed"]] == [1]


@pytest.mark.parametrize(
    ("lines", "code"),
    [
        (["{"], "invalid_json_line"),
        ([{"custom_id": "a"}], "missing_required_parameter"),
        ([line(1), line(1)], "duplicate_custom_id"),
        ([""], "invalid_file"),
    ],
)
async def test_file_that_cannot_be_taken(sandbox: Running, lines: list[Any], code: str) -> None:
    """A file with a bad line fails as a whole, names the line, and costs nothing."""
    done = await end(sandbox, (await create(sandbox, await upload(sandbox, *lines))).json()["id"])
    assert (done["status"], done["errors"]["data"][0]["code"]) == ("failed", code)
    assert await sandbox.billed_usd_micro("perplexity") == 0


async def test_batch_by_script(sandbox: Running) -> None:
    """A batch may fail, expire half done, or take long, as scripted; what was not done is not billed."""
    file = await upload(sandbox, *(line(number) for number in range(4)))
    for kind in ("batch_failed", "batch_expired"):
        await sandbox.fault(kind, provider="perplexity", path="v1/batches", times=1)
    assert (await end(sandbox, (await create(sandbox, file)).json()["id"]))["status"] == "failed"
    expired = await end(sandbox, (await create(sandbox, file)).json()["id"])
    assert (expired["status"], expired["request_counts"]["completed"]) == ("expired", 2)
    errors = await content(sandbox, expired["error_file_id"])
    assert [(one["custom_id"], one["error"]["code"]) for one in errors] == [
        ("user-2", "batch_expired"),
        ("user-3", "batch_expired"),
    ]
    assert [entry["billed_calls"] for entry in await sandbox.entries("perplexity") if entry["billed"]] == [2]


async def test_cancel(sandbox: Running) -> None:
    """PF-21: a cancelled batch gives back what it has not done; one that has ended cannot be cancelled."""
    file = await upload(sandbox, line(1), line(2))
    await sandbox.fault("slow_run", provider="perplexity", path="v1/batches", seconds=600, times=1)
    made = (await create(sandbox, file)).json()
    cancel = f"/perplexity/v1/batches/{made['id']}/cancel"
    assert (await sandbox.client.post(cancel, headers=KEY)).json()["status"] == "cancelling"
    done = await end(sandbox, made["id"])
    assert (done["status"], done["output_file_id"]) == ("cancelled", None)
    assert {one["error"]["code"] for one in await content(sandbox, done["error_file_id"])} == {"batch_cancelled"}
    assert await sandbox.billed_usd_micro("perplexity") == 0
    assert (await sandbox.client.post(cancel, headers=KEY)).status_code == 400


@pytest.mark.parametrize(
    "change",
    [
        {"endpoint": "/v1/chat/completions"},
        {"completion_window": "1h"},
        {"input_file_id": "file-unknown"},
        {"metadata": {"n": 1}},
        {"output_expires_after": {}},
    ],
)
async def test_requests_that_are_refused(sandbox: Running, change: Json) -> None:
    """B2: only the one endpoint and window, a file that is there, texts as metadata, and no unknown field."""
    answer = await create(sandbox, await upload(sandbox, line(1)), **change)
    assert (answer.status_code, answer.json()["error"]["type"]) == (400, "invalid_request")


async def test_files(sandbox: Running) -> None:
    """Files are listed, described and deleted; anything but a form with a file is a 400."""
    file = await upload(sandbox, line(1))
    await end(sandbox, (await create(sandbox, file)).json()["id"])
    listed = (await get(sandbox, "files")).json()["data"]
    assert [one["purpose"] for one in listed] == ["batch_output", "batch"]
    assert (await get(sandbox, f"files/{listed[0]['id']}")).json() == listed[0]
    assert (await get(sandbox, "files?purpose=batch&limit=0")).status_code == 400
    assert (await sandbox.client.delete(f"/perplexity/v1/files/{file}", headers=KEY)).json()["deleted"] is True
    assert (await get(sandbox, f"files/{file}")).status_code == 404
    assert (await get(sandbox, "batches/batch_unknown")).status_code == 404
    assert (await sandbox.client.post("/perplexity/v1/files", json={}, headers=KEY)).status_code == 400
    wrong = {"files": {"file": ("x", b"")}, "data": {"purpose": "fine-tune"}}
    assert (await sandbox.client.post("/perplexity/v1/files", headers=KEY, **wrong)).status_code == 400
