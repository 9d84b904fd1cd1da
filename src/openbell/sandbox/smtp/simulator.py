"""A mail server on a port of its own.

    GET    /_control/smtp/mails?since=N&recipient=ADDRESS     what arrived; how many each recipient got
    DELETE /_control/smtp/mails                               forget it
    POST   /_control/smtp/dkim  {"name": "s1._domainkey.example.org", "record": "v=DKIM1; k=rsa; p=..."}

Faults (provider smtp) are taken at each RCPT TO; `symbol` is the recipient. Those of `answers.REFUSALS` and `lost` do
what they say, `text` puts other words in their place. Of the general ones slow, hang, cut and stall concern the reply
to the final dot of an accepted message; drop: accepted, and the connection is lost after the final dot; reset: the
connection ends at RCPT TO. A message has an entry in the ledger (operation DATA, its Message-ID as idempotency key, its
queue id as reference, a billed call per recipient), and so has a refused recipient (operation RCPT).

AUTH is offered and not required; the password is the sandbox's key.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import socket
from collections.abc import Sequence
from typing import Any, NoReturn

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from openbell.sandbox.faults import Fault
from openbell.sandbox.house import House
from openbell.sandbox.ledger import Entry
from openbell.sandbox.simulator import Simulator
from openbell.sandbox.smtp.answers import KINDS, LOST, REFUSALS, queued
from openbell.sandbox.smtp.mails import Mailbox, message_id

HOSTNAME = "mail.sandbox.example"
MESSAGE_BYTES_MAX = 25_000_000
RECIPIENTS_MAX = 100
CONTROL_BODY_BYTES_MAX = 10_000


class _Message(Envelope):
    """A message on its way, with the fault that one of its recipients has met."""

    fault: Fault | None = None


class Smtp(Simulator):
    """The server and what may be asked of it."""

    name = "smtp"
    mount = "/smtp"
    data_class = "synthetic; nothing is delivered"
    kinds = KINDS

    def __init__(self, house: House) -> None:
        super().__init__(house)
        self.mailbox = Mailbox(house.store(self.name))
        self._server: asyncio.Server | None = None
        self._connections: set[_Connection] = set()

    async def start(self) -> None:
        """Listen on the loopback address, at the port that was asked for or a free one."""
        loop = asyncio.get_running_loop()
        listener = socket.create_server(("127.0.0.1", self.house.ports.get(self.name, 0)))
        self.house.ports[self.name] = listener.getsockname()[1]
        self._server = await loop.create_server(lambda: _Connection(self, loop), sock=listener)

    async def stop(self) -> None:
        """Stop listening and cut what is open."""
        if self._server is not None:
            self._server.close()
            for connection in list(self._connections):
                connection.abort()
            await self._server.wait_closed()

    def control(self) -> Sequence[BaseRoute]:
        """Read and clear the mails, add a DKIM key."""
        return [Route("/mails", self._mails, methods=["GET", "DELETE"]), Route("/dkim", self._dkim, methods=["POST"])]

    def opened(self, connection: _Connection) -> None:
        """A client has connected."""
        self._connections.add(connection)

    def closed(self, connection: _Connection) -> None:
        """A client is gone."""
        self._connections.discard(connection)

    async def handle_RCPT(  # noqa: N802 - the library's name
        self, server: _Connection, _session: Session, envelope: _Message, address: str, _options: list[str]
    ) -> str:
        """Accept a recipient, or refuse it as scripted."""
        if len(envelope.rcpt_tos) >= RECIPIENTS_MAX:
            return "452 4.5.3 Too many recipients"
        fault = self.house.faults.take(self.name, "mail", [address.upper()], f"{envelope.mail_from} {address}")
        if fault is not None:
            reply = REFUSALS.get(fault.kind)
            if fault.kind == "reset" or (reply is not None and reply.at == "rcpt"):
                entry = self._enter("RCPT", [address])
                if reply is None:
                    self.house.ledger.close(entry, None, 0)
                    await server.hang_up()
                return await self._refuse(server, entry, fault, 0)
            envelope.fault = envelope.fault or fault
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 OK"

    async def handle_DATA(  # noqa: N802 - the library's name
        self, server: _Connection, _session: Session, envelope: _Message
    ) -> str:
        """Accept a message, or do with it as scripted."""
        raw = envelope.original_content or b""
        entry = self._enter("DATA", envelope.rcpt_tos, message_id(raw))
        fault = envelope.fault
        if fault is not None and fault.kind in REFUSALS:
            return await self._refuse(server, entry, fault, len(raw))
        if fault is not None and fault.kind == LOST:
            self.house.ledger.close(entry, None, len(raw))
            await server.hang_up()
        queue_id = secrets.token_hex(6).upper()
        entry.reference = queue_id
        self.mailbox.keep(queue_id, entry.arrived, envelope.mail_from or "", list(envelope.rcpt_tos), raw)
        self.house.ledger.bill(entry, calls=len(envelope.rcpt_tos))
        return await self._accept(server, entry, fault, len(raw), queued(queue_id))

    def authenticate(
        self, _server: SMTP, _session: Session, _envelope: Envelope, _mechanism: str, given: LoginPassword
    ) -> AuthResult:
        """Whether a user may send: any name, with the sandbox's key."""
        return AuthResult(success=self.house.knows(given.password.decode(errors="replace")), handled=False)

    async def _refuse(self, server: _Connection, entry: Entry, fault: Fault, size: int) -> str:
        reply = REFUSALS[fault.kind]
        text = fault.spec.text or reply.text
        self.house.ledger.close(entry, int(text[:3]), size)
        if reply.closes:
            await server.push(text)
            await server.hang_up()
        return text

    async def _accept(self, server: _Connection, entry: Entry, fault: Fault | None, size: int, reply: str) -> str:
        """The reply to an accepted message, or what a fault leaves of it."""
        kind = fault.kind if fault else ""
        status: int | None = 250
        if fault is not None and kind in ("slow", "hang") and not await self._waited(fault):
            status = None
        if kind == "drop" or status is None:
            self.house.ledger.close(entry, None, size)
            await server.hang_up()
        self.house.ledger.close(entry, 250, size)
        if fault is not None and kind in ("cut", "stall"):
            server.write(reply[: len(reply) // 2])
            if kind == "cut" or not await self._waited(fault):
                await server.hang_up()
            return reply[len(reply) // 2 :]
        return reply

    async def _waited(self, fault: Fault) -> bool:
        """Sit out the delay. False when the sandbox ends first; a client that leaves ends the whole coroutine."""
        seconds = None if fault.kind == "hang" else fault.spec.seconds or None
        return await self.pause(seconds, fault, _silence)

    def _enter(self, operation: str, recipients: Sequence[str], key: str | None = None) -> Entry:
        entry = self.open_entry("smtp", operation=operation, idempotency_key=key)
        self.house.ledger.name(entry, [address.upper() for address in recipients])
        return entry

    async def _mails(self, request: Request) -> Response:
        if request.method == "DELETE":
            return JSONResponse({"cleared": self.mailbox.clear()})
        since = request.query_params.get("since", "0")
        if not since.isdecimal():
            return JSONResponse({"error": f"since must be a whole number, not {since!r}"}, 400)
        return JSONResponse(self.mailbox.as_json(int(since), request.query_params.get("recipient", "")))

    async def _dkim(self, request: Request) -> Response:
        body = (await request.body())[:CONTROL_BODY_BYTES_MAX]
        try:
            given = json.loads(body)
            self.mailbox.add_key(str(given["name"]), str(given["record"]))
        except (ValueError, KeyError, TypeError):
            return JSONResponse({"error": 'the body must be {"name": ..., "record": ...}'}, 400)
        return JSONResponse({"name": given["name"]}, 201)


class _Connection(SMTP):
    """One client."""

    def __init__(self, smtp: Smtp, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(
            smtp,
            data_size_limit=MESSAGE_BYTES_MAX,
            enable_SMTPUTF8=True,
            hostname=HOSTNAME,
            ident="Openbell sandbox, nothing is delivered",
            authenticator=smtp.authenticate,
            auth_require_tls=False,
            loop=loop,
        )
        self._smtp = smtp

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Somebody is there."""
        super().connection_made(transport)
        self._smtp.opened(self)

    def connection_lost(self, error: Exception | None) -> None:
        """Nobody is there any more; the library ends what it was doing for them."""
        super().connection_lost(error)
        self._smtp.closed(self)

    def _create_envelope(self) -> Envelope:
        return _Message()

    def write(self, text: str) -> None:
        """Send something that is not a whole reply."""
        assert isinstance(self.transport, asyncio.WriteTransport)
        self.transport.write(text.encode())

    async def hang_up(self) -> NoReturn:
        """Close the connection after what was sent, and never answer: the library cancels the waiting."""
        if self.transport is not None:
            self.transport.close()
        await asyncio.Event().wait()
        raise AssertionError("nothing sets this event")

    def abort(self) -> None:
        """Close the connection at once."""
        if isinstance(self.transport, asyncio.WriteTransport):
            self.transport.abort()


async def _silence() -> Any:
    """A client that says nothing; when it leaves, the library cancels the coroutine that waits."""
    await asyncio.Event().wait()
