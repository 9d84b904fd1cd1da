"""Mail: from what a server answers to what is done about it (table B8 of the domain notes); and none leaves twice."""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Awaitable
from datetime import timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

import aiosmtplib
import asyncpg
import dkim
import pytest

from openbell.engine.attempt import Attempt
from openbell.engine.errors import Fenced, Permanent, ProducerError, ProviderStopped, RateLimited, Transient
from openbell.providers import mail
from openbell.providers.mail import Accepted, Dkim, Mailer, Relay, compose, queue_id
from openbell.providers.mail_answers import AddressRefused, CampaignStopped
from tests.certificates import Certificate, certify, dkim_key
from tests.providers.attempts import an_attempt, only
from tests.providers.scripted_smtp import Script, mail_server
from tests.sandbox.harness import Running
from tests.support import Clock, eventually

SENDER = "bounce+1@openbell.example"
ANN = "ann@reader.example"
HALF_AN_HOUR = timedelta(minutes=30)


def digest(number: int = 1) -> EmailMessage:
    """A mail, synthetic, our own words."""
    made = EmailMessage()
    made["From"], made["To"], made["Subject"] = "Digest <digest@openbell.example>", ANN, f"Digest {number}: M\u00e4rkte"
    made["Message-ID"] = f"<{number}@openbell.example>"
    made["Date"] = "Tue, 03 Nov 2026 08:30:00 +0000"
    made["List-Unsubscribe"] = "<https://openbell.example/u/token>"
    made["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    made.set_content("Gr\u00fc\u00dfe.\n.\n..two dots\n")
    return made


def relay_to(server: Running | Script, port: int | None = None, **other: Any) -> Relay:
    return Relay("127.0.0.1", port or server.port, **({"tls": "none"} | other))


async def sandbox_relay(sandbox: Running, **other: Any) -> Relay:
    port = (await sandbox.client.get("/_control/ports")).json()["smtp"]
    return relay_to(sandbox, int(port), **other)


async def arrived(sandbox: Running) -> list[dict[str, Any]]:
    return list((await sandbox.client.get("/_control/smtp/mails")).json()["mails"])


@pytest.fixture
async def attempt(pool: asyncpg.Pool) -> Attempt:
    """One that is not held up by the limits, which have a test of their own."""
    return await an_attempt(pool, mail.limits(1_000, 1_000))


async def send(relay: Relay, attempt: Attempt, message: EmailMessage | None = None, to: str = ANN) -> Accepted:
    return await Mailer(relay, attempt).send(message or digest(), to=to, sender=SENDER)


async def caught(work: Awaitable[Any]) -> ProducerError:
    with pytest.raises(ProducerError) as seen:
        await work
    return seen.value


async def spend(pool: asyncpg.Pool, attempt: Attempt) -> asyncpg.Record:
    """The last spend as it is on the books once the attempt has written it."""
    await attempt.ledger.settle(attempt.take_ended())
    row = await pool.fetchrow("select *, state::text as word from openbell.spend order by id desc limit 1")
    assert row is not None
    return row


# --- sending ---------------------------------------------------------------------------------------------------------


async def test_an_accepted_mail(pool: asyncpg.Pool, sandbox: Running, attempt: Attempt) -> None:
    """B8, DC-1: what is accepted has the server's queue id, arrives as it was written, and is on the books once."""
    accepted = await send(await sandbox_relay(sandbox), attempt)
    (there,) = await arrived(sandbox)
    assert (accepted.message_id, accepted.to, accepted.queue_id) == ("<1@openbell.example>", ANN, there["queue_id"])
    assert there["envelope"] == {"from": SENDER, "to": [ANN]}
    assert (there["subject"], there["message_id"]) == ("Digest 1: M\u00e4rkte", "<1@openbell.example>")
    assert there["text"] == "Gr\u00fc\u00dfe.\n.\n..two dots\n"
    assert ["List-Unsubscribe-Post", "List-Unsubscribe=One-Click"] in there["headers"]
    row = await spend(pool, attempt)
    assert (row["word"], row["effect"], row["took"]) == ("settled", "never", {"mails": 1})
    assert (row["idempotency_key"], row["provider_ref"]) == ("<1@openbell.example>", there["queue_id"])
    assert attempt.sources[0]["provider"] == "smtp"


async def test_a_mail_never_leaves_twice(pool: asyncpg.Pool, sandbox: Running, attempt: Attempt, clock: Clock) -> None:
    """DC-1, A3: a Message-ID that has left, for certain or perhaps, is never sent again, by whatever job."""
    relay = await sandbox_relay(sandbox)
    await send(relay, attempt)
    await sandbox.fault("drop", provider="smtp", times=1)
    assert (await caught(send(relay, attempt, digest(2)))).code == "outcome_unknown"
    await attempt.ledger.settle(attempt.take_ended())
    await clock.advance(days=3)
    for number, code in ((1, "already_made"), (2, "outcome_unknown")):
        error = await caught(send(relay, attempt, digest(number)))
        assert (type(error), error.code) == (Permanent, code)
    assert [there["message_id"] for there in await arrived(sandbox)] == ["<1@openbell.example>", "<2@openbell.example>"]


async def test_a_refused_mail_may_be_sent_later(sandbox: Running, attempt: Attempt) -> None:
    """B8: an answer that it was not taken ends all doubt; the same mail goes out at the next try."""
    relay = await sandbox_relay(sandbox)
    for fault in ("mailbox_busy", "slow_down_late"):
        await sandbox.fault(fault, provider="smtp", times=1)
        await caught(send(relay, attempt))
        await attempt.ledger.settle(attempt.take_ended())
    await send(relay, attempt)
    assert len(await arrived(sandbox)) == 1


FAULTS: list[tuple[str, type[ProducerError], str, timedelta | None, str]] = [
    ("no_such_user", AddressRefused, "address_refused", None, "refused"),
    ("mailbox_full", Transient, "mailbox_busy", HALF_AN_HOUR, "refused"),
    ("mailbox_busy", Transient, "mailbox_busy", HALF_AN_HOUR, "refused"),
    ("content_refused", CampaignStopped, "content_refused", None, "refused"),
    ("slow_down", RateLimited, "slow_down", timedelta(minutes=15), "refused"),
    ("slow_down_late", RateLimited, "slow_down", timedelta(minutes=15), "refused"),
    ("unauthenticated", ProviderStopped, "authentication_missing", timedelta(hours=1), "refused"),
    ("unauthenticated_microsoft", ProviderStopped, "authentication_missing", timedelta(hours=1), "refused"),
    ("reset", Transient, "broken", None, "released"),
    ("lost", Permanent, "outcome_unknown", None, "unknown"),
    ("drop", Permanent, "outcome_unknown", None, "unknown"),
    ("cut", Permanent, "outcome_unknown", None, "unknown"),
    ("hang", Permanent, "outcome_unknown", None, "unknown"),
]


async def test_every_answer_has_its_meaning(
    sandbox: Running, attempt: Attempt, monkeypatch: pytest.MonkeyPatch
) -> None:
    """B8: each thing that a mail server may say or do, over the wire, is told apart, on the books too."""
    monkeypatch.setattr(mail, "CONTENT_S", 0.3)
    relay = await sandbox_relay(sandbox)
    for number, (fault, kind, code, pause, state) in enumerate(FAULTS):
        marked = await sandbox.fault(fault, provider="smtp", times=1)
        error = await caught(send(relay, attempt, digest(number)))
        assert (type(error), error.code, error.retry_after) == (kind, code, pause), fault
        assert error.provider == "smtp"
        assert ANN not in str(error)
        settlement = only(attempt)
        assert settlement.state == state, fault
        assert settlement.trouble == ("broken" if state in ("unknown", "released") else None), fault
        await sandbox.client.delete("/_control/faults", params={"id": marked})
    kept = {there["message_id"] for there in await arrived(sandbox)}
    assert kept == {f"<{n}@openbell.example>" for n, row in enumerate(FAULTS) if row[0] in ("drop", "cut", "hang")}


async def test_a_slow_answer_is_waited_for(sandbox: Running, attempt: Attempt) -> None:
    """B8: a server that stops in the middle of its answer and goes on has accepted the mail."""
    await sandbox.fault("stall", provider="smtp", seconds=0.2, times=1)
    assert (await send(await sandbox_relay(sandbox), attempt)).queue_id
    assert only(attempt).state == "settled"


# --- what leaves when ------------------------------------------------------------------------------------------------


async def test_before_the_content_nothing_has_left(attempt: Attempt, pool: asyncpg.Pool) -> None:
    """DC-1: a connection that is lost before the content is proof that the mail was not sent; it was never marked."""
    for stage in ("greeting", "EHLO", "MAIL", "RCPT", "DATA"):
        async with mail_server(**{stage: None}) as server:
            assert type(await caught(send(relay_to(server), attempt))) is Transient
        assert server.contents == [], stage
        row = await spend(pool, attempt)
        assert (row["word"], row["sent_at"]) == ("released", None), stage


async def test_the_mark_is_on_the_books_before_the_content_leaves(pool: asyncpg.Pool, attempt: Attempt) -> None:
    """DC-1: when the content arrives the books say `sent`; at the DATA before it they did not."""
    seen = []

    async def look(reply: str) -> str:
        seen.append(await pool.fetchval("select state::text from openbell.spend"))
        return reply

    async with mail_server(DATA=lambda: look("354 go on"), content=lambda: look("250 2.0.0 ok")) as server:
        accepted = await send(relay_to(server), attempt)
    assert seen == ["intended", "sent"]
    assert (accepted.queue_id, accepted.answer) == (None, "2.0.0 ok")


async def test_an_attempt_that_is_no_longer_ours_sends_nothing(pool: asyncpg.Pool, attempt: Attempt) -> None:
    """PF-50, DC-1: who loses the job between DATA and content lets the content be; the server never gets it."""

    async def cancelled() -> str:
        await pool.execute("update openbell.job set cancelled_by = 'somebody'")
        return "354 go on"

    async with mail_server(DATA=cancelled) as server:
        with pytest.raises(Fenced):
            await send(relay_to(server), attempt)
        assert (server.contents, server.words[-1]) == ([], "DATA")
    assert only(attempt).state == "released"


async def test_a_server_that_hangs_up_while_the_mark_is_made(
    pool: asyncpg.Pool, attempt: Attempt, monkeypatch: pytest.MonkeyPatch
) -> None:
    """DC-1: what could not even be written to the line has not left, although it is marked as sent."""
    clients: list[aiosmtplib.SMTP] = []

    class Watched(aiosmtplib.SMTP):
        def __init__(self, **how: Any) -> None:
            super().__init__(**how)
            clients.append(self)

    mark = attempt.ledger.mark_sent

    async def slowly(*who: Any) -> bool:
        await eventually(lambda: not clients[0].is_connected)
        return await mark(*who)

    monkeypatch.setattr(aiosmtplib, "SMTP", Watched)
    monkeypatch.setattr(attempt.ledger, "mark_sent", slowly)
    async with mail_server() as server:
        server.hang_up_after = "DATA"
        error = await caught(send(relay_to(server), attempt))
    assert (type(error), error.code) == (Transient, "broken")
    row = await spend(pool, attempt)
    assert row["word"] == "released"
    assert row["sent_at"] is not None


async def test_who_is_cancelled_while_the_answer_is_out_does_not_know(pool: asyncpg.Pool, attempt: Attempt) -> None:
    """DC-1: a deadline after the content is on its way leaves doubt, and doubt is on the books."""
    arrives, forever = asyncio.Event(), asyncio.Event()

    async def never() -> None:
        arrives.set()
        await forever.wait()

    async with mail_server(content=never) as server:
        sending = asyncio.create_task(send(relay_to(server), attempt))
        await arrives.wait()
        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending
    assert (await spend(pool, attempt))["word"] == "unknown"


async def test_an_answer_that_says_nothing_leaves_doubt(attempt: Attempt) -> None:
    """B8: only a clear yes or no ends the doubt about what has left."""
    for number, answer in enumerate(("nonsense", "354 go on", "999 what", "199 what", "100 wait")):
        async with mail_server(content=answer) as server:
            assert (await caught(send(relay_to(server), attempt, digest(number)))).code == "outcome_unknown", answer
        assert only(attempt).state == "unknown", answer


async def test_a_refused_data_command_is_a_clear_no(attempt: Attempt) -> None:
    """B8: a refusal before the content, or a wrong answer to DATA, has sent nothing."""
    for number, (said, code, state) in enumerate(
        (
            ("554 5.7.1 no", "content_refused", "refused"),
            ("451 4.3.0 later", "server_busy", "refused"),
            ("250 fine", "broken", "released"),
        )
    ):
        async with mail_server(DATA=said) as server:
            assert (await caught(send(relay_to(server), attempt, digest(number)))).code == code
            assert server.contents == []
        assert only(attempt).state == state


async def test_what_the_server_says_is_told_without_the_address(attempt: Attempt) -> None:
    """PF-41: errors stay in logs and rows for long; who was meant is in the job, not in them."""
    async with mail_server(RCPT="550 5.1.1 <ANN@Reader.example> is\tunknown") as server:
        error = await caught(send(relay_to(server), attempt))
    assert str(error).startswith("The mail server answered at recipient: 550 5.1.1 <(recipient)> is unknown.")


async def test_nobody_there(attempt: Attempt) -> None:
    """PF-21: where no connection came about, nothing was taken, and the server is in trouble."""
    error = await caught(send(Relay("127.0.0.1", 1, tls="none"), attempt))
    assert (type(error), error.code) == (Transient, "unreachable")
    settlement = only(attempt)
    assert (settlement.state, settlement.trouble) == ("released", "unreachable")


# --- encryption and login --------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def certificate() -> Certificate:
    return certify("localhost", "127.0.0.1")


LOGIN = "250-mail.example\n250-STARTTLS\n250 AUTH PLAIN LOGIN"


async def test_the_password_goes_only_where_it_is_encrypted(attempt: Attempt, certificate: Certificate) -> None:
    """PF-41: STARTTLS before the login, or encryption from the first byte; the certificate is verified."""
    ours, trust = certificate.serving(), certificate.trusting()
    how = {"username": "openbell", "password": "marked-secret", "trust": trust}
    async with mail_server(tls=ours, EHLO=LOGIN) as server:
        await send(relay_to(server, tls="starttls", **how), attempt)
        assert server.words == ["EHLO", "STARTTLS", "EHLO", "AUTH", "MAIL", "RCPT", "DATA", "QUIT"]
        assert server.encrypted == ["EHLO", "AUTH", "MAIL", "RCPT", "DATA", "QUIT"]
    async with mail_server(tls=ours, implicit=True, EHLO=LOGIN) as server:
        await send(relay_to(server, tls="implicit", **how), attempt, digest(2))
        assert server.words == server.encrypted == ["EHLO", "AUTH", "MAIL", "RCPT", "DATA", "QUIT"]


async def test_encryption_that_fails_stops_all_mail(attempt: Attempt, certificate: Certificate) -> None:
    """B8, PF-41: a wrong certificate or none at all is never gone round: nothing is said, an operator must act."""
    ours, stranger = certificate.serving(), ssl.create_default_context()
    how = {"username": "openbell", "password": "marked-secret", "trust": stranger}
    cases: list[tuple[str, bool, str, str]] = [
        ("starttls", False, LOGIN, "bad_certificate"),
        ("implicit", True, LOGIN, "bad_certificate"),
        ("starttls", False, "250-mail.example\n250 AUTH PLAIN", "no_encryption"),
    ]
    for number, (tls, implicit, hello, code) in enumerate(cases):
        async with mail_server(tls=ours, implicit=implicit, EHLO=hello) as server:
            error = await caught(send(relay_to(server, tls=tls, **how), attempt, digest(number)))
            assert (type(error), error.code) == (ProviderStopped, code)
            assert "AUTH" not in server.words
            assert "MAIL" not in server.words
        assert only(attempt).state == "released"


async def test_a_login_that_is_refused_stops_all_mail(sandbox: Running, attempt: Attempt) -> None:
    """B8: wrong credentials are not tried again and again; what the server says about them is not repeated."""
    await send(await sandbox_relay(sandbox, username="openbell", password="sandbox"), attempt)
    assert only(attempt).state == "settled"
    wrong = {"username": "openbell", "password": "marked-secret"}
    error = await caught(send(await sandbox_relay(sandbox, **wrong), attempt, digest(2)))
    assert (type(error), error.code) == (ProviderStopped, "bad_credentials")
    scripts: list[tuple[dict[str, Any], type[ProducerError], str]] = [
        (
            {"EHLO": "250-mail.example\n250 AUTH PLAIN", "AUTH": "535 5.7.8 marked-secret is wrong"},
            ProviderStopped,
            "bad_credentials",
        ),
        ({"EHLO": "250-mail.example\n250 AUTH PLAIN", "AUTH": "454 4.7.0 later"}, Transient, "server_busy"),
        ({}, ProviderStopped, "no_login"),
    ]
    for number, (script, kind, code) in enumerate(scripts, 3):
        async with mail_server(**script) as server:
            error = await caught(send(relay_to(server, **wrong), attempt, digest(number)))
        assert (type(error), error.code) == (kind, code)
        assert "marked-secret" not in str(error)


async def test_the_password_is_nowhere(
    sandbox: Running, attempt: Attempt, pool: asyncpg.Pool, caplog: pytest.LogCaptureFixture
) -> None:
    """PF-41: neither password nor signing key is in a log line at the finest level, a repr, an error or a row."""
    caplog.set_level(logging.DEBUG)
    key, _ = dkim_key()
    relay = await sandbox_relay(
        sandbox, username="openbell", password="marked-secret", dkim=Dkim("openbell.example", "s1", key)
    )
    error = await caught(send(relay, attempt))
    row = await spend(pool, attempt)
    for text in (
        repr(relay),
        str(relay),
        repr(error),
        str(error),
        str(dict(row)),
        caplog.text,
        repr(Mailer(relay, attempt)),
    ):
        assert "marked-secret" not in text
        assert key.splitlines()[1] not in text


def test_a_password_needs_encryption() -> None:
    """PF-41: a relay on another machine is refused a password without encryption, before anything is sent."""
    with pytest.raises(ValueError, match="encryption"):
        Relay("mail.example", 25, tls="none", username="a", password="b")
    Relay("mail.example", 25, tls="none")


# --- what is sent ----------------------------------------------------------------------------------------------------

NOWHERE = Relay("mail.example", 587)


async def test_a_dry_run_names_nobody_else(sandbox: Running, attempt: Attempt) -> None:
    """DG-23: the envelope is rewritten, not only the header; the mail says what it is, and does not stand in the way
    of the real one.
    """
    dry, real = await sandbox_relay(sandbox, dry_run_to="ops@openbell.example"), await sandbox_relay(sandbox)
    accepted = await send(dry, attempt)
    assert accepted.to == "ops@openbell.example"
    await send(real, attempt)
    first, second = await arrived(sandbox)
    assert first["envelope"]["to"] == ["ops@openbell.example"]
    assert first["subject"] == "[dry run] Digest 1: M\u00e4rkte"
    assert ["X-Dry-Run-For", ANN] in first["headers"]
    assert second["envelope"]["to"] == [ANN]
    assert second["subject"] == "Digest 1: M\u00e4rkte"
    with pytest.raises(ValueError, match="dry runs"):
        Relay("mail.example", 25, dry_run_to="nobody")


@pytest.mark.parametrize(
    "address",
    [
        "",
        "ann",
        "@reader.example",
        "ann@",
        "ann@reader.example\r\nRCPT TO:<eve@evil.example>",
        "ann@reader.example>\r\nDATA",
        "<ann@reader.example>",
        "ann@reader.example, eve@evil.example",
        "Ann <ann@reader.example>",
        "ann @reader.example",
        "a\u00e4nn@reader.example",
        "ann@reader.example\x00",
        "ann@-reader",
        f"{'a' * 65}@reader.example",
    ],
)
async def test_what_is_no_address_is_refused(address: str) -> None:
    """B8: nothing but one plain address ever becomes part of a command; the caller suppresses it."""
    nobody: Any = None
    error = await caught(Mailer(NOWHERE, nobody).send(digest(), to=address, sender=SENDER))
    assert (type(error), error.code) == (AddressRefused, "address_invalid")


def test_a_mail_is_seven_bits_and_whole_lines() -> None:
    """B8: whatever the text, every server can take it; no stray line end can end it early (SMTP smuggling)."""
    message = digest()
    message.set_content("a\n.\r\n.\nMAIL FROM:<eve@evil.example>\n\u00fc\n", cte="8bit")
    message["Bcc"] = "eve@evil.example"
    _, content = compose(message, NOWHERE, ANN)
    assert content.isascii()
    assert b"eve@evil.example" not in content.split(b"\r\n\r\n")[0]
    assert content.endswith(b"\r\n")
    assert content.count(b"\n") == content.count(b"\r") == content.count(b"\r\n")
    assert message["Bcc"] == "eve@evil.example"
    read = message_from_bytes(content, policy=policy.default)
    assert read["Subject"] == "Digest 1: M\u00e4rkte"


async def test_lines_that_begin_with_a_dot_arrive(attempt: Attempt) -> None:
    """RFC 5321, 4.5.2: a dot at the beginning of a line is doubled on the wire, so that none ends the mail."""
    message = digest()
    message.set_content(".\n..\n.a\nb.\n")
    async with mail_server() as server:
        await send(relay_to(server), attempt, message)
    (content,) = server.contents
    assert content.endswith(b"\r\n\r\n..\r\n...\r\n..a\r\nb.\r\n.\r\n")
    assert server.words[0] == "EHLO"
    assert server.told[0] == "EHLO openbell.example"


@pytest.mark.parametrize("spoil", ["no id", "two ids", "bad id", "no from", "long line"])
def test_a_mail_without_what_it_needs_is_a_mistake(spoil: str) -> None:
    """B8: without a Message-ID of its own a doubtful mail could never be told from its repetition."""
    message = digest()
    if spoil == "no from":
        del message["From"]
    elif spoil == "long line":
        message.set_content("x" * 1_000, cte="7bit")
    else:
        del message["Message-ID"]
        ids = {"no id": [], "two ids": ["<1@a.example>", "<2@a.example>"], "bad id": ["1 2"]}[spoil]
        message._headers += [("Message-ID", one) for one in ids]  # type: ignore[attr-defined]
    with pytest.raises(ValueError):
        compose(message, NOWHERE, ANN)


async def test_a_signed_mail_is_verified(sandbox: Running, attempt: Attempt) -> None:
    """B8, RFC 8058: the signature holds for what arrives, and covers the one-click headers; a change breaks it."""
    key, record = dkim_key()
    spec = {"name": "s1._domainkey.openbell.example", "record": record}
    assert (await sandbox.client.post("/_control/smtp/dkim", json=spec)).status_code == 201
    signer = Dkim("openbell.example", "s1", key)
    await send(await sandbox_relay(sandbox, dkim=signer), attempt)
    (there,) = await arrived(sandbox)
    assert (there["dkim"]["result"], there["dkim"]["domain"]) == ("pass", "openbell.example")
    wanted = {"from", "to", "subject", "date", "message-id", "list-unsubscribe", "list-unsubscribe-post"}
    assert wanted <= set(there["dkim"]["signed_headers"])
    _, content = compose(digest(), Relay("mail.example", 587, dkim=signer), ANN)
    assert dkim.verify(content, dnsfunc=lambda *_, **__: record.encode())
    changed = content.replace(b"One-Click", b"Two-Click")
    assert not dkim.verify(changed, dnsfunc=lambda *_, **__: record.encode())


def test_a_key_that_is_none_is_refused_at_the_start() -> None:
    """PF-40: a signing key that cannot sign is found when it is set, and not shown."""
    with pytest.raises(ValueError, match="RSA private key") as seen:
        Dkim("openbell.example", "s1", "marked-secret")
    assert "marked-secret" not in str(seen.value)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("2.0.0 Ok: queued as 4F2K9", "4F2K9"),
        ("OK id=1rXyZ-00AbCd-2E", "1rXyZ-00AbCd-2E"),
        ("2.0.0 OK 1790000000 a1-20020a05600c1d0100b0 - gsmtp", None),
        ("2.6.0 <1@openbell.example> [InternalId=1] Queued mail for delivery", None),
        ("Ok", None),
        ("", None),
    ],
)
def test_the_queue_id_is_found_where_there_is_one(answer: str, expected: str | None) -> None:
    """B8: what the server calls the mail helps to find it in its log; nothing is invented."""
    assert queue_id(answer) == expected


# --- limits ----------------------------------------------------------------------------------------------------------


async def test_no_more_mails_a_minute_than_allowed(pool: asyncpg.Pool, sandbox: Running) -> None:
    """DG-23: a rate limit per minute holds, in whichever process mails are sent."""
    attempt = await an_attempt(pool, mail.limits(2, 4))
    relay = await sandbox_relay(sandbox)
    for number in (1, 2):
        await send(relay, attempt, digest(number))
    assert (await caught(send(relay, attempt, digest(3)))).code == "account_full"
    assert len(await arrived(sandbox)) == 2
