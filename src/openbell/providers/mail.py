"""Mail by SMTP: one conversation for one message to one recipient (RFC 5321; RFC 6376 for signatures).

A mail cannot be taken back and nobody can be asked about it, so its effect is `never`: it leaves at most once. Whatever
happens before its content does, is proven not to have sent it. Once the content is on its way only the server's answer
ends the doubt; without one the outcome is unknown, an operator decides, and the Message-ID stays the same, so that a
receiver can see that two are one.

This is the one gate of all mail: in a dry run no other address than the one for dry runs is ever named to the server.
"""

from __future__ import annotations

import asyncio
import copy
import logging
import re
import ssl
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from email.message import EmailMessage
from email.policy import SMTP as WIRE
from typing import Any, Literal

import aiosmtplib
from aiosmtplib import SMTPException, SMTPResponse, SMTPResponseException, SMTPServerDisconnected

from openbell.engine.attempt import Attempt
from openbell.engine.errors import Permanent, ProducerError, ProviderStopped, Transient
from openbell.engine.ledger import Account, Limit
from openbell.engine.spends import Call
from openbell.providers.mail_answers import STOP_PAUSE, AddressRefused, Stage, judge

Tls = Literal["starttls", "implicit", "none"]

COMMAND_S = 15.0
CONTENT_S = 120.0
"""How long the answer to the content is waited for. RFC 5321 wants ten minutes, so that a slow server causes no doubt;
a worker cannot stand that long, and doubt is kept on the books here."""
TIMEOUT = timedelta(seconds=180)
LONGEST_LINE = 998

_ADDRESS = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9](?:[A-Za-z0-9.-]{0,250}[A-Za-z0-9])?")
_MESSAGE_ID = re.compile(r"<[!-;=?-~]{1,200}@[!-;=?-~]{1,200}>")
_QUEUED_AS = re.compile(r"(?:queued as\s+|\bid=)<?([A-Za-z0-9][\w.@+-]{3,80})", re.IGNORECASE)
_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
_SIGNED = frozenset(
    (
        "cc", "content-transfer-encoding", "content-type", "date", "from", "in-reply-to", "list-id", "list-unsubscribe",
        "list-unsubscribe-post", "message-id", "mime-version", "references", "reply-to", "sender", "subject", "to",
    )
)  # fmt: skip


def limits(mails_per_minute: int = 30, at_once: int = 4, mails_per_day: int | None = None) -> list[Limit]:
    """How fast mail leaves, all of it together, and how many conversations there are at a time.

    Every receiver has its own figures and tells none; these are modest. A pause that a server asks for is kept by the
    second account.
    """
    kept = [
        Limit("smtp", "mails", "minute", mails_per_minute, span=timedelta(minutes=1)),
        Limit("smtp", "calls", "at once", at_once, closes="release"),
    ]
    if mails_per_day is not None:
        grain = timedelta(minutes=15)
        kept.append(Limit("smtp", "mails", "day", mails_per_day, span=timedelta(days=1), grain=grain))
    return kept


def domain_limit(domain: str, mails_per_minute: int) -> Limit:
    """How fast mail leaves for the addresses of one domain. It blocks no other mail, so it has a subject of its own."""
    return Limit(f"smtp {domain}"[:100], "mails", "minute", mails_per_minute, span=timedelta(minutes=1))


@dataclass(frozen=True, slots=True)
class Dkim:
    """The key that signs for a domain: RSA, in PEM. Raises ``ValueError`` when it is none."""

    domain: str
    selector: str
    key: str = field(repr=False)

    def __post_init__(self) -> None:
        import dkim  # noqa: PLC0415 (takes a twentieth of a second, which only who signs pays)

        try:
            dkim.crypto.parse_pem_private_key(self.key.encode())
        except dkim.crypto.UnparsableKeyError:
            raise ValueError("the DKIM key must be an RSA private key in PEM") from None


@dataclass(frozen=True, slots=True)
class Relay:
    """The server that mail is handed to, and how. No connection is kept.

    With ``dry_run_to`` every mail goes to that address instead; with ``only`` no other addresses (in lower case) are
    ever named to the server. Raises ``ValueError`` for a password that would travel unencrypted to another machine.
    """

    host: str
    port: int
    tls: Tls = "starttls"
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    hello: str | None = None
    dry_run_to: str | None = None
    only: frozenset[str] | None = field(default=None, repr=False)
    dkim: Dkim | None = None
    trust: ssl.SSLContext | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if self.username is not None and self.tls == "none" and self.host not in _LOOPBACK:
            raise ValueError("a mail password needs encryption: set SMTP_TLS to starttls or implicit")
        if self.dry_run_to is not None and not _ADDRESS.fullmatch(self.dry_run_to):
            raise ValueError("the address for dry runs is no mail address")


@dataclass(frozen=True, slots=True)
class Accepted:
    """The server has taken the mail over, which does not say that it has been delivered. ``to`` is whom it named."""

    message_id: str
    to: str
    queue_id: str | None
    answer: str


class Mailer:
    """The relay as one attempt may use it."""

    def __init__(self, relay: Relay, attempt: Attempt) -> None:
        self._relay, self._attempt = relay, attempt

    async def send(
        self,
        message: EmailMessage,
        *,
        to: str,
        sender: str,
        last_look: Callable[[], Awaitable[None]] | None = None,
        accounts: Sequence[Account] = (),
    ) -> Accepted:
        """Hand over one message to one recipient. ``sender`` is the envelope's, where bounces go.

        ``last_look`` is awaited right before the content leaves; when it raises, nothing has left. ``accounts`` are
        kept besides those of all mail.

        The message has its Message-ID, the same whenever it is sent to this recipient and different for others: a mail
        whose Message-ID has left once is never sent again. Raises what :func:`judge` makes of a refusal,
        :class:`AddressRefused` `address_invalid` and `not_allowed`, :class:`Transient` `unreachable` and `broken`
        (nothing has left), :class:`ProviderStopped` `bad_certificate`, `no_encryption`, `no_login`, and
        :class:`Permanent` `outcome_unknown` when it may have been sent.
        """
        recipient = self._relay.dry_run_to or to
        for address in (to, sender):
            if not _ADDRESS.fullmatch(address):
                raise AddressRefused(
                    f"{address[:100]!r} is no address that mail can be sent to.", code="address_invalid"
                )
        if self._relay.only is not None and recipient.lower() not in {*self._relay.only, self._relay.dry_run_to}:
            raise AddressRefused("Mail may leave for listed addresses only, and this is none.", code="not_allowed")
        message_id, content = await asyncio.to_thread(compose, message, self._relay, to)
        key = f"dry run {message_id}" if self._relay.dry_run_to else message_id
        spends = self._attempt.spends("smtp")
        known = {account.id for account in spends.accounts}
        spends.accounts = [*spends.accounts, *(account for account in accounts if account.id not in known)]
        async with spends.call(
            "send", effect="never", idempotency_key=key, timeout=TIMEOUT, slow=TIMEOUT, mails=1
        ) as call:
            answer = await _Conversation(self._relay, call, sender, recipient).send(content, last_look)
        self._attempt.cite(provider="smtp", operation="send", host=f"{self._relay.host}:{self._relay.port}")
        return Accepted(message_id, recipient, queue_id(answer), answer)


def compose(message: EmailMessage, relay: Relay, to: str) -> tuple[str, bytes]:
    """Message-ID and bytes of a message, with CRLF, in seven bits, signed where there is a key.

    In a dry run it says so in its subject, and for whom it was. Raises ``ValueError`` for a message without the headers
    that it needs, or with a line that no server need take.
    """
    ids = message.get_all("message-id", [])
    if len(ids) != 1 or not _MESSAGE_ID.fullmatch(str(ids[0]).strip()) or "from" not in message:
        raise ValueError("a mail needs a From and one Message-ID of its own")
    made = copy.deepcopy(message)
    del made["bcc"]
    if relay.dry_run_to:
        subject = str(made["subject"] or "")
        del made["subject"], made["x-dry-run-for"]
        made["Subject"], made["X-Dry-Run-For"] = f"[dry run] {subject}", to
    content = re.sub(rb"\r\n|\r|\n", b"\r\n", made.as_bytes(policy=WIRE.clone(cte_type="7bit")))
    if max(map(len, content.split(b"\r\n"))) > LONGEST_LINE:
        raise ValueError(f"a line of the mail is longer than {LONGEST_LINE} bytes")
    content = content if content.endswith(b"\r\n") else content + b"\r\n"
    return str(ids[0]).strip(), (_signature(content, made.keys(), relay.dkim) if relay.dkim else b"") + content


def _signature(content: bytes, names: Sequence[str], key: Dkim) -> bytes:
    import dkim  # noqa: PLC0415

    signed = [name.lower().encode() for name in dict.fromkeys(names) if name.lower() in _SIGNED]
    header: bytes = dkim.sign(
        content, key.selector.encode(), key.domain.encode(), key.key.encode(), include_headers=signed, logger=_SILENT
    )
    return header


_SILENT = logging.getLogger(f"{__name__}.dkim")
_SILENT.setLevel(logging.CRITICAL)
"""The signing library would log whole messages."""


def queue_id(answer: str) -> str | None:
    """What the server calls the mail from now on: `… queued as 4F2K9`; None where it does not say."""
    found = _QUEUED_AS.search(answer)
    return found[1] if found else None


class _Conversation:
    """One connection, from the greeting to the end."""

    def __init__(self, relay: Relay, call: Call, sender: str, recipient: str) -> None:
        self._relay, self._call = relay, call
        self._sender, self._recipient = sender, recipient
        self._stage: Stage = "connect"
        self._smtp = aiosmtplib.SMTP(
            hostname=relay.host,
            port=relay.port,
            local_hostname=relay.hello or sender.rpartition("@")[2],
            timeout=COMMAND_S,
            use_tls=relay.tls == "implicit",
            start_tls=relay.tls == "starttls",
            tls_context=relay.trust,
        )

    async def send(self, content: bytes, last_look: Callable[[], Awaitable[None]] | None = None) -> str:
        """The server's words when it has accepted the content."""
        try:
            await self._judged(self._prepare())
            if last_look is not None:
                await last_look()
            await self._call.sending()
            answer = await self._judged(self._hand_over(content))
        finally:
            self._smtp.close()
        text = self._shown(answer.message)
        self._call.took(mails=1, ref=queue_id(text))
        return text

    async def _judged(self, work: Coroutine[Any, Any, SMTPResponse]) -> SMTPResponse:
        try:
            return await work
        except SMTPResponseException as refusal:
            raise self._refused(refusal) from None
        except (SMTPException, OSError) as error:
            raise self._broken(error) from error

    async def _prepare(self) -> SMTPResponse:
        """All that comes before the content."""
        smtp = self._smtp
        await smtp.connect()
        if self._relay.username is not None:
            self._stage = "login"
            await smtp.login(self._relay.username, self._relay.password or "")
        self._stage = "sender"
        await smtp.mail(self._sender)
        self._stage = "recipient"
        await smtp.rcpt(self._recipient)
        self._stage = "data"
        ready = await smtp.execute_command(b"DATA")
        if ready.code != 354:
            raise SMTPResponseException(ready.code, ready.message)
        return ready

    async def _hand_over(self, content: bytes) -> SMTPResponse:
        line = self._smtp.protocol
        if line is None:
            raise SMTPServerDisconnected("it hung up before the content")
        line.write(re.sub(rb"(?m)^\.", b"..", content) + b".\r\n")  # raises when the line is down: nothing has left
        self._stage = "content"
        answer = await line.read_response(timeout=CONTENT_S)
        if not 200 <= answer.code < 300:
            raise SMTPResponseException(answer.code, answer.message)
        self._say_goodbye()
        return answer

    def _refused(self, refusal: SMTPResponseException) -> ProducerError:
        shown = "" if self._stage == "login" else self._shown(refusal.message)
        if not 400 <= refusal.code < 600:
            return self._broken(SMTPServerDisconnected(f"an answer that is none: {shown}"))
        error = judge(self._stage, refusal.code, refusal.message, shown)
        self._call.refused(error.code)
        self._say_goodbye()
        return error

    def _broken(self, error: BaseException) -> ProducerError:
        """No answer, or none that says anything. Before the content this is proof that nothing was sent."""
        where = f"{self._relay.host}:{self._relay.port}"
        if self._stage == "content":
            self._call.trouble("broken")
            return Permanent(
                f"The connection to {where} was lost when the mail had left; it may have been sent. Resolve the spend.",
                code="outcome_unknown",
            )
        stopped = self._unfit(error)
        self._call.never_sent(stopped.code if stopped else "broken")
        if stopped:
            return stopped
        code = "unreachable" if self._stage == "connect" else "broken"
        self._call.trouble(code)
        return Transient(f"The mail server {where} could not be reached, or hung up at {self._stage}.", code=code)

    def _unfit(self, error: BaseException) -> ProviderStopped | None:
        """What is wrong with the server or our settings, where trying again would not help."""
        cause: BaseException | None = error
        while cause is not None:
            if isinstance(cause, ssl.SSLCertVerificationError):
                sentence = f"The certificate of {self._relay.host} is not valid for it; nothing is sent there."
                return ProviderStopped(sentence, code="bad_certificate", retry_after=STOP_PAUSE)
            cause = cause.__cause__ or cause.__context__
        if type(error) is not SMTPException:
            return None
        if self._stage == "login":
            sentence = f"{self._relay.host} offers no login that we know; check SMTP_USER and SMTP_TLS."
            return ProviderStopped(sentence, code="no_login", retry_after=STOP_PAUSE)
        sentence = f"{self._relay.host} offers no encryption (STARTTLS); check SMTP_TLS."
        return ProviderStopped(sentence, code="no_encryption", retry_after=STOP_PAUSE)

    def _say_goodbye(self) -> None:
        """What the server answers to that changes nothing, so nobody waits for it."""
        if (line := self._smtp.protocol) is not None:
            with suppress(SMTPException):
                line.write(b"QUIT\r\n")

    def _shown(self, text: str) -> str:
        """The server's words, short, printable and without the recipient."""
        line = " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())
        return re.sub(re.escape(self._recipient), "(recipient)", line, flags=re.IGNORECASE)[:300]
