"""What all simulators share: one ledger that outlives the process, faults by provider, trouble on the wire."""

from __future__ import annotations

import asyncio
import json
from datetime import datetime, timedelta
from pathlib import Path

import httpx
import pytest

from openbell.sandbox.journal import StateUnreadable
from openbell.sandbox.ledger import ENTRIES_MAX, Entry, Ledger
from tests.sandbox.harness import Running, Start

ASK = {"input": "What moved IBM?", "effort": "fast"}
KEY = {"authorization": "Bearer sandbox"}


async def ask(sandbox: Running) -> httpx.Response:
    return await sandbox.client.post("/perplexity/v1/agent", json=ASK, headers=KEY)


class TestLedger:
    async def test_survives_a_restart(self, start: Start, tmp_path: Path) -> None:
        """PF-10: what was billed is still known after the sandbox was stopped, and the numbering goes on."""
        first = await start(state=tmp_path / "sandbox.json")
        await first.get("quote", symbol="IBM")
        await first.fault("drop", provider="perplexity", times=1)
        with pytest.raises(httpx.RemoteProtocolError):
            await ask(first)
        await ask(first)
        before = await first.ledger()
        first.stop.set()
        await first.task
        second = await start(state=tmp_path / "sandbox.json")
        assert await second.ledger() == before
        await second.get("quote", symbol="FB")
        assert [entry["n"] for entry in (await second.ledger(since=3))["entries"]] == [4]
        assert (await second.ledger())["totals"]["by_provider"]["fmp"]["billed_calls"] == 2

    async def test_forgets_for_good(self, start: Start, tmp_path: Path) -> None:
        """A ledger that was emptied stays empty over a restart."""
        first = await start(state=tmp_path / "sandbox.json")
        await ask(first)
        await first.client.delete("/_control/ledger")
        first.stop.set()
        await first.task
        second = await start(state=tmp_path / "sandbox.json")
        ledger = await second.ledger()
        assert (ledger["entries"], ledger["totals"]["calls"], ledger["last"]) == ([], 0, 1)

    async def test_unfinished_line_is_cut_off(self, start: Start, tmp_path: Path) -> None:
        """A process that died while it wrote a line loses that line and nothing else."""
        first = await start(state=tmp_path / "sandbox.json")
        await ask(first)
        first.stop.set()
        await first.task
        file = tmp_path / "sandbox-ledger.jsonl"
        whole = file.read_bytes()
        file.write_bytes(whole + b'{"n": 2, "arri')
        second = await start(state=tmp_path / "sandbox.json")
        assert (await second.ledger())["totals"]["calls"] == 1
        assert file.read_bytes() == whole

    async def test_foreign_file_is_named(self, start: Start, tmp_path: Path) -> None:
        """A file that is not a ledger is not overwritten, and the error names it."""
        (tmp_path / "sandbox-ledger.jsonl").write_text("[1]\n")
        with pytest.raises(StateUnreadable, match=r"sandbox-ledger\.jsonl"):
            await start(state=tmp_path / "sandbox.json")
        assert (tmp_path / "sandbox-ledger.jsonl").read_text() == "[1]\n"

    async def test_of_one_provider(self, sandbox: Running) -> None:
        """The entries of one provider can be read alone; amounts are whole numbers, each in its own field."""
        await sandbox.get("quote", symbol="IBM")
        answer = await ask(sandbox)
        [entry] = await sandbox.entries("perplexity")
        cost = round(answer.json()["usage"]["cost"]["total_cost"] * 1_000_000)
        assert entry["billed_usd_micro"] == cost == await sandbox.billed_usd_micro("perplexity")
        assert (entry["operation"], entry["reference"]) == ("POST v1/agent", answer.json()["id"])
        assert (entry["status"], entry["bytes"], entry["billed_credits"]) == (200, len(answer.content), 0)
        assert [type(entry[name]) for name in ("arrived", "billed_usd_micro", "billed_calls")] == [int, int, int]

    def test_file_is_written_anew_when_it_is_long(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """The file does not grow for ever, and nothing that counts is lost when it is written anew."""
        monkeypatch.setattr("openbell.sandbox.ledger.FILE_BYTES_MAX", 5_000)
        ledger = Ledger(tmp_path / "ledger.jsonl")
        for number in range(100):
            entry = ledger.open(number, "fmp", f"/stable/{number}", symbols=["IBM"])
            ledger.bill(entry, usd_micro=3, calls=1)
            ledger.close(entry, 200, 10)
        shown = ledger.as_json()
        ledger.end()
        again = Ledger(tmp_path / "ledger.jsonl")
        assert again.as_json() == shown
        again.bill(entry, usd_micro=-3)
        assert again.as_json()["totals"]["by_provider"]["fmp"]["billed_usd_micro"] == 297
        assert len(shown["entries"]) == 100 <= ENTRIES_MAX
        again.end()

    def test_nothing_is_billed_below_zero(self) -> None:
        """More cannot be given back than was billed."""
        ledger = Ledger()
        entry: Entry = ledger.open(1, "perplexity", "/perplexity/v1/agent")
        ledger.bill(entry, usd_micro=5)
        with pytest.raises(ValueError, match="less than nothing"):
            ledger.bill(entry, usd_micro=-6)


class TestFaults:
    async def test_only_its_provider(self, sandbox: Running) -> None:
        """A fault of one provider leaves the others alone."""
        await sandbox.fault("rate_limited", provider="perplexity")
        assert (await sandbox.get("quote", symbol="IBM")).status_code == 200
        assert (await ask(sandbox)).status_code == 429

    async def test_skip_and_match(self, sandbox: Running) -> None:
        """A fault can let calls pass by first, and can be meant for calls with a certain text."""
        await sandbox.fault("server_error", provider="perplexity", match="moved IBM", skip=1, times=1)
        other = {**ASK, "input": "What moved FB?"}
        statuses = [(await ask(sandbox)).status_code]
        statuses.append((await sandbox.client.post("/perplexity/v1/agent", json=other, headers=KEY)).status_code)
        statuses += [(await ask(sandbox)).status_code for _ in range(2)]
        assert statuses == [200, 200, 500, 200]

    @pytest.mark.parametrize(
        ("spec", "reason"),
        [
            ({"provider": "nobody", "kind": "slow", "seconds": 1}, "nobody"),
            ({"provider": "perplexity", "kind": "premium_symbol"}, "premium_symbol"),
            ({"provider": "fmp", "kind": "failed"}, "failed"),
        ],
    )
    async def test_unknown_is_refused(self, sandbox: Running, spec: dict[str, object], reason: str) -> None:
        """A provider or kind that does not exist is a 400 that names it and those that do."""
        answer = await sandbox.client.post("/_control/faults", json=spec)
        assert answer.status_code == 400
        assert reason in answer.json()["error"]
        known = (await sandbox.client.get("/_control/faults")).json()["kinds"]
        assert "premium_symbol" in known["fmp"]
        assert "failed" in known["perplexity"]


class TestWire:
    """PF-10, DC-1: the ways in which a paid call can end without a clear answer."""

    @pytest.mark.parametrize(("kind", "billed"), [("reset", False), ("drop", True), ("cut", True)])
    async def test_broken_off(self, sandbox: Running, kind: str, billed: bool) -> None:
        """The client sees the same broken connection whether the call was paid or not; the ledger knows."""
        await sandbox.fault(kind, provider="perplexity", times=1)
        with pytest.raises(httpx.RemoteProtocolError):
            await ask(sandbox)
        [entry] = await sandbox.entries("perplexity")
        assert (entry["billed_usd_micro"] > 0) == billed
        assert (entry["reference"] is not None) == billed

    async def test_stalls_in_the_middle(self, sandbox: Running) -> None:
        """Half of the answer, silence, and then the rest: a whole answer for a patient client."""
        number = await sandbox.fault("stall", provider="perplexity", times=1)
        async with sandbox.client.stream("POST", "/perplexity/v1/agent", json=ASK, headers=KEY) as answer:
            parts = answer.aiter_raw()
            first = await anext(parts)
            await sandbox.client.delete("/_control/faults", params={"id": number})
            rest = b"".join([part async for part in parts])
        assert json.loads(first + rest)["status"] == "completed"

    async def test_hangs_after_billing(self, sandbox: Running) -> None:
        """A hanging call is paid when it arrives; a client that gives up has still bought."""
        await sandbox.fault("hang", provider="perplexity", times=1)
        call = asyncio.create_task(ask(sandbox))
        await sandbox.billed(1)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        assert await sandbox.billed_usd_micro("perplexity") > 0


async def test_ports_are_told(sandbox: Running) -> None:
    """Whoever knows the HTTP port finds the others."""
    assert (await sandbox.client.get("/_control/ports")).json()["http"] == sandbox.port


async def test_ordinary_time_can_be_advanced(sandbox: Running) -> None:
    """A week can pass for runs and articles without moving the replayed market; the clock never goes back."""
    await sandbox.fault("slow_run", provider="perplexity", seconds=600, times=1)
    run = (await sandbox.client.post("/perplexity/v1/agent", json={**ASK, "background": True}, headers=KEY)).json()
    before = await sandbox.clock()
    after = await sandbox.clock(advance_s=7 * 86_400)
    assert datetime.fromisoformat(after["now"]) - datetime.fromisoformat(before["now"]) >= timedelta(days=7)
    assert (after["position"], after["market_day"]) == (before["position"], before["market_day"])
    done = await sandbox.client.get(f"/perplexity/v1/agent/{run['id']}", headers=KEY)
    assert done.json()["status"] == "completed"
    assert (await sandbox.client.post("/_control/clock", json={"advance_s": -1})).status_code == 400


async def test_replay_goes_on_from_its_place(start: Start) -> None:
    """After the ordinary time has been advanced a running replay goes on from where it stood."""
    running = await start(freeze=False, day_seconds=3_600)
    before = await running.clock()
    after = await running.clock(advance_s=86_400)
    assert before["position"] <= after["position"] < before["position"] + 0.1
