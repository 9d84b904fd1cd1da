"""The mail server as a mail client meets it."""

from __future__ import annotations

import asyncio
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import aiosmtplib
import dkim
import pytest

from tests.certificates import dkim_key
from tests.sandbox.harness import Running, Start
from tests.support import eventually

SENDER = "digest@openbell.example"


async def port_of(sandbox: Running) -> int:
    return int((await sandbox.client.get("/_control/ports")).json()["smtp"])


async def client_of(sandbox: Running) -> aiosmtplib.SMTP:
    client = aiosmtplib.SMTP(hostname="127.0.0.1", port=await port_of(sandbox), start_tls=False, timeout=30)
    await client.connect()
    return client


def message(number: int = 1, to: str = "ann@reader.example") -> EmailMessage:
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = SENDER, to, f"Digest {number}: Märkte"
    mail["Message-ID"] = f"<{number}@openbell.example>"
    mail["List-Unsubscribe"] = "<https://openbell.example/u/token>"
    mail.set_content("Plain words.\n.\n..two dots\n")
    mail.add_alternative("<p>HTML words</p>", subtype="html")
    return mail


async def mails(sandbox: Running, **params: Any) -> Any:
    answer = await sandbox.client.get("/_control/smtp/mails", params=params)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def fault(sandbox: Running, kind: str, **spec: Any) -> int:
    return await sandbox.fault(kind, provider="smtp", **spec)


async def test_accepts_and_keeps(sandbox: Running) -> None:
    """B8: an accepted message has a queue id; envelope, headers, both bodies, counts and the bill can be read back."""
    client = await client_of(sandbox)
    refused, said = await client.send_message(message(), sender="bounce+1@openbell.example")
    assert refused == {}
    assert said.startswith("2.0.0 OK: queued as ")
    await client.send_message(message(2), recipients=["ann@reader.example", "bob@reader.example"])
    await client.quit()
    kept = await mails(sandbox)
    first, second = kept["mails"]
    assert first["queue_id"] == said.rpartition(" ")[2]
    assert first["envelope"] == {"from": "bounce+1@openbell.example", "to": ["ann@reader.example"]}
    assert (first["subject"], first["message_id"]) == ("Digest 1: Märkte", "<1@openbell.example>")
    assert ["List-Unsubscribe", "<https://openbell.example/u/token>"] in first["headers"]
    assert first["text"] == "Plain words.\n.\n..two dots\n"
    assert first["html"] == "<p>HTML words</p>\n"
    assert first["dkim"] == {"result": "none"}
    assert kept["recipients"] == {"ann@reader.example": 2, "bob@reader.example": 1}
    assert [m["n"] for m in (await mails(sandbox, recipient="BOB@reader.example"))["mails"]] == [second["n"]]
    entries = await sandbox.entries("smtp")
    assert [(e["operation"], e["status"], e["billed_calls"]) for e in entries] == [("DATA", 250, 1), ("DATA", 250, 2)]
    assert entries[0]["idempotency_key"] == "<1@openbell.example>"
    assert entries[0]["reference"] == first["queue_id"]
    assert entries[0]["bytes"] == first["bytes"]


async def test_clear(sandbox: Running) -> None:
    """Cleared mails are gone from list and counts; those that come later are there."""
    client = await client_of(sandbox)
    for number in (1, 2, 3):
        if number == 3:
            assert (await sandbox.client.delete("/_control/smtp/mails")).json() == {"cleared": 2}
        await client.send_message(message(number))
    await client.quit()
    kept = await mails(sandbox)
    assert [mail["message_id"] for mail in kept["mails"]] == ["<3@openbell.example>"]
    assert kept["recipients"] == {"ann@reader.example": 1}


async def test_refused_recipients(sandbox: Running) -> None:
    """B8: a refusal at RCPT concerns its recipient only, and the connection stays."""
    both, bob = ["ann@reader.example", "bob@reader.example"], "bob@reader.example"
    answers = {"no_such_user": (550, "5.1.1"), "mailbox_full": (452, "4.2.2"), "mailbox_busy": (450, "4.2.1")}
    client = await client_of(sandbox)
    for kind, (code, words) in answers.items():
        await fault(sandbox, kind, symbol=bob, times=2)
        refused, _ = await client.send_message(message(), recipients=both)
        assert {address: said.code for address, said in refused.items()} == {bob: code}
        assert refused[bob].message.startswith(words)
        with pytest.raises(aiosmtplib.SMTPRecipientsRefused):
            await client.send_message(message(2, to=bob))
    await client.send_message(message(3, to=bob))
    await client.quit()
    assert (await mails(sandbox))["recipients"] == {"ann@reader.example": 3, bob: 1}
    refusals = [entry for entry in await sandbox.entries("smtp") if entry["operation"] == "RCPT"]
    assert [entry["status"] for entry in refusals] == [550, 550, 452, 452, 450, 450]
    assert {(entry["billed"], *entry["symbols"]) for entry in refusals} == {(False, "BOB@READER.EXAMPLE")}


async def test_refused_content(sandbox: Running) -> None:
    """B8: a refusal after the final dot: nothing is kept, nothing billed, the connection stays."""
    answers = {"content_refused": "5.7.1", "unauthenticated": "5.7.26", "unauthenticated_microsoft": "5.7.515"}
    client = await client_of(sandbox)
    for kind, words in answers.items():
        await fault(sandbox, kind, times=1)
        with pytest.raises(aiosmtplib.SMTPDataError) as refused:
            await client.send_message(message())
        assert (refused.value.code, refused.value.message.split()[0]) == (550, words)
    assert (await mails(sandbox))["mails"] == []
    await client.send_message(message())
    await client.quit()
    assert [entry["billed_calls"] for entry in await sandbox.entries("smtp")] == [0, 0, 0, 1]


async def test_slow_down_ends_the_connection(sandbox: Running) -> None:
    """B8: 421 4.7.28 comes at RCPT or after the final dot and closes the connection; nothing is accepted."""
    for kind in ("slow_down", "slow_down_late"):
        await fault(sandbox, kind, times=1)
        client = await client_of(sandbox)
        with pytest.raises(aiosmtplib.SMTPException) as told:
            await client.send_message(message())
        assert "4.7.28" in str(told.value)
        await eventually(lambda client=client: not client.is_connected)
    assert (await mails(sandbox))["mails"] == []
    entries = await sandbox.entries("smtp")
    assert [(e["operation"], e["status"], e["billed"]) for e in entries] == [("RCPT", 421, False), ("DATA", 421, False)]


async def test_connection_lost_after_the_final_dot(sandbox: Running) -> None:
    """B8: the client sees the same error whether the message was accepted (drop) or not (lost); the ledger knows."""
    for kind, number in (("drop", 1), ("lost", 2)):
        await fault(sandbox, kind, times=1)
        client = await client_of(sandbox)
        with pytest.raises(aiosmtplib.SMTPServerDisconnected):
            await client.send_message(message(number))
    assert [mail["message_id"] for mail in (await mails(sandbox))["mails"]] == ["<1@openbell.example>"]
    entries = await sandbox.entries("smtp")
    assert [(entry["status"], entry["billed_calls"]) for entry in entries] == [(None, 1), (None, 0)]


async def test_sent_again_is_counted_twice(sandbox: Running) -> None:
    """A message sent again after a lost answer arrives twice under one Message-ID: what a duplicate looks like."""
    await fault(sandbox, "drop", times=1)
    for _ in range(2):
        client = await client_of(sandbox)
        try:
            await client.send_message(message())
            await client.quit()
        except aiosmtplib.SMTPServerDisconnected:
            pass
    kept = await mails(sandbox)
    assert {mail["message_id"] for mail in kept["mails"]} == {"<1@openbell.example>"}
    assert kept["recipients"] == {"ann@reader.example": 2}


async def test_half_replies(sandbox: Running) -> None:
    """cut: accepted, then half of the reply and the end; stall: half of the reply, silence, the rest."""
    await fault(sandbox, "cut", times=1)
    client = await client_of(sandbox)
    with pytest.raises(aiosmtplib.SMTPServerDisconnected):
        await client.send_message(message())
    await fault(sandbox, "stall", seconds=0.1, times=1)
    client = await client_of(sandbox)
    _, said = await client.send_message(message(2))
    assert said.startswith("2.0.0 OK: queued as ")
    await client.quit()
    assert len((await mails(sandbox))["mails"]) == 2


async def test_reset_at_the_recipient(sandbox: Running) -> None:
    """reset: the connection ends before anything is accepted."""
    await fault(sandbox, "reset", times=1)
    client = await client_of(sandbox)
    with pytest.raises(aiosmtplib.SMTPServerDisconnected):
        await client.send_message(message())
    assert (await mails(sandbox))["mails"] == []


async def test_slow_and_hanging(sandbox: Running) -> None:
    """A slow reply comes late; a hanging one when the fault is cleared; both were accepted at once."""
    await fault(sandbox, "slow", seconds=0.2, times=1)
    client = await client_of(sandbox)
    loop = asyncio.get_running_loop()
    began = loop.time()
    await client.send_message(message())
    assert loop.time() - began >= 0.2
    number = await fault(sandbox, "hang", times=1)
    sending = asyncio.create_task(client.send_message(message(2)))
    await sandbox.billed(2)
    assert not sending.done()
    await sandbox.client.delete("/_control/faults", params={"id": number})
    await sending
    await client.quit()


async def test_words_of_the_testers_own(sandbox: Running) -> None:
    """A fault may say something else, with another code."""
    await fault(sandbox, "content_refused", text="554 5.7.0 Not on a Sunday", times=1)
    client = await client_of(sandbox)
    with pytest.raises(aiosmtplib.SMTPDataError) as refused:
        await client.send_message(message())
    assert (refused.value.code, refused.value.message) == (554, "5.7.0 Not on a Sunday")
    await client.quit()


async def test_login(sandbox: Running) -> None:
    """The sandbox's key is the password; another one is refused."""
    client = await client_of(sandbox)
    with pytest.raises(aiosmtplib.SMTPAuthenticationError):
        await client.login("openbell", "wrong")
    await client.login("openbell", "sandbox")
    await client.send_message(message())
    await client.quit()


async def test_mails_survive_a_restart(start: Start, tmp_path: Path) -> None:
    """With a state file the mails are there after a restart, and numbering goes on."""
    for number in (1, 2):
        sandbox = await start(state=tmp_path / "clock.json")
        client = await client_of(sandbox)
        await client.send_message(message(number))
        await client.quit()
        kept = await mails(sandbox)
        assert [mail["n"] for mail in kept["mails"]] == list(range(1, number + 1))
        sandbox.stop.set()
        await sandbox.task


async def test_ends_while_a_message_hangs(start: Start) -> None:
    """The sandbox ends although a client is in the middle of a message that hangs."""
    sandbox = await start()
    await fault(sandbox, "hang")
    client = await client_of(sandbox)
    sending = asyncio.create_task(client.send_message(message()))
    await sandbox.billed(1)
    sandbox.stop.set()
    async with asyncio.timeout(10):
        await sandbox.task
    with pytest.raises(aiosmtplib.SMTPServerDisconnected):
        await sending


async def test_200_mails_over_one_connection(sandbox: Running) -> None:
    """One connection takes hundreds of messages, and the counts are right."""
    client = await client_of(sandbox)
    for number in range(200):
        await client.sendmail(SENDER, [f"reader{number % 50}@reader.example"], message(number).as_bytes())
    await client.quit()
    kept = await mails(sandbox)
    assert set(kept["recipients"].values()) == {4}
    assert len({mail["queue_id"] for mail in kept["mails"]}) == 200


# Signatures


async def test_dkim(sandbox: Running) -> None:
    """B8: a signature is checked with the key given through control: pass, fail after a change, no_key, fail if odd."""
    secret, record = dkim_key()
    headers = [b"from", b"to", b"subject", b"list-unsubscribe"]
    raw = message().as_bytes().replace(b"\n", b"\r\n")
    signed = dkim.sign(raw, b"s1", b"openbell.example", secret.encode(), include_headers=headers) + raw
    client = await client_of(sandbox)
    await client.sendmail(SENDER, ["ann@reader.example"], signed)
    [unknown] = (await mails(sandbox))["mails"]
    assert unknown["dkim"]["result"] == "no_key"
    spec = {"name": "s1._domainkey.openbell.example", "record": record}
    assert (await sandbox.client.post("/_control/smtp/dkim", json=spec)).status_code == 201
    await client.sendmail(SENDER, ["ann@reader.example"], signed.replace(b"Plain words", b"Other words"))
    await client.sendmail(SENDER, ["ann@reader.example"], b"DKIM-Signature: v=nonsense\r\n" + raw)
    await client.quit()
    results = [mail["dkim"] for mail in (await mails(sandbox))["mails"]]
    assert [result["result"] for result in results] == ["pass", "fail", "fail"]
    assert (results[0]["domain"], results[0]["selector"]) == ("openbell.example", "s1")
    assert {"from", "subject", "list-unsubscribe"} <= set(results[0]["signed_headers"])


async def test_senseless_keys_are_refused(sandbox: Running) -> None:
    """A key without a name or record is a 400 with a reason."""
    for body in ("{}", "[]", "no", '{"name": 1}'):
        answer = await sandbox.client.post("/_control/smtp/dkim", content=body)
        assert answer.status_code == 400
        assert answer.json()["error"]
