"""What every simulator is made of: one call from arrival to answer, with the ledger and the scripted faults on its way.

To add one, write a file or a subpackage with a class like this, and add one line to `catalog.py`:

    class Scrapfly(Simulator):
        name = "scrapfly"                    # in the ledger, and `provider` of a fault
        mount = "/scrapfly"                  # what all its paths begin with
        data_class = "synthetic; invented page"
        kinds = frozenset({"throttled"})     # its own faults, beside WIRE_KINDS of faults.py, which work by themselves;
                                             # `html502` does too, where it is named
        timed = frozenset()                  # those of them that use `seconds` themselves: the base does not wait then

        def __init__(self, house: House) -> None:
            super().__init__(house)
            self._records = house.store(self.name)                   # JSON records that survive a restart, if needed
            self.on("GET", "scrape", self.scrape)                    # below the mount; the path is the operation's name
            self.on("GET", "page/{id}", self.page)                   # call.arguments["id"]; {rest:path} takes slashes

        def admit(self, call: Call) -> None:                         # before any fault and any bill; default: nothing
            if not self.house.knows(call.params.get("key", "")):
                raise Refused(Answer.of_json({"code": "..."}, 401))

        def subjects(self, call: Call) -> list[str]:                 # what a fault's `symbol` can name; in the ledger
            return symbols_of([call.params.get("symbol", "")])

        async def scrape(self, call: Call) -> Answer:
            if call.meets("throttled"):                              # a fault of its own; its fields: call.fault.spec
                raise Refused(Answer.of_json({...}, 429, {"retry-after": call.retry_after("30")}))
            call.bill(credits=25)                                    # usd_micro=, credits=, calls=; never for a refusal
            call.refer("page_1")                                     # the entry's `reference`
            return self.answer({"result": {}})                       # JSON with status 200 and the X-Data-Class label

The order of things: the call is entered in the ledger; `admit`; the fault is taken (kind `reset` ends it here, and so
does what `refusal(spec)` answers, the place for refusals that are the same for every operation); the operation (it
bills at once: what is accepted is paid, whatever happens to the answer); the fault's waiting; the answer, or what the
fault leaves of it. An unknown path or method is `unknown(call)`, an answer without a bill.

Other answers: `Answer(status, body, media_type, headers)`; a body that is a list of bytes is sent part by part, without
a length (server-sent events). `call.json()` reads a JSON body (ValueError), `call.body` has the bytes, `call.headers`
the headers, `call.params` the query (the last value of a name), `call.path` the path below the mount.

Time is `self.house.wall()` (epoch seconds), the market's is `self.house.moment()` (`.day`, `.time`); the companies are
in companies.py. State that develops (a run that gets ready) is best a pure function of its record and the time: no
timers, and a restart changes nothing. A server on a port of its own (SMTP) is opened in `start` and ended in `stop`:
`self.house.ports[name]` holds the wanted port (0: any free one) and then the real one. It enters its calls with
`self.open_entry(...)` and takes faults with `self.house.faults.take(...)`. `control()` adds routes below
/_control/<name>/, for instance to read what arrived.

In tests, `await sandbox.fault("throttled", provider="scrapfly", path="scrape")` and `await sandbox.entries("scrapfly")`
of tests/sandbox/harness.py.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from re import Pattern
from typing import Any, ClassVar
from urllib.parse import parse_qsl

from starlette.datastructures import Headers
from starlette.routing import BaseRoute, compile_path
from starlette.types import Receive, Scope, Send

from openbell.sandbox.faults import Fault, FaultSpec
from openbell.sandbox.house import House
from openbell.sandbox.ledger import Entry, micro

BODY_BYTES_MAX = 64_000_000
LABEL = "X-Data-Class"


@dataclass(frozen=True, slots=True)
class Answer:
    """What the client gets. A body in parts is sent part by part, without a length."""

    status: int
    body: bytes | list[bytes] = b""
    media_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of_json(cls, value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Answer:
        """A JSON answer without a label: for refusals."""
        return cls(status, json.dumps(value, separators=(",", ":")).encode(), headers=headers or {})

    @property
    def parts(self) -> list[bytes]:
        """The body in the pieces in which it is sent."""
        return [self.body] if isinstance(self.body, bytes) else self.body

    @property
    def length(self) -> int:
        """Bytes of the body."""
        return sum(map(len, self.parts))


HTML_502 = Answer(
    502,
    b"<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n<center><h1>502 Bad Gateway</h1></center>\r\n"
    b"</body>\r\n</html>\r\n",
    "text/html",
)
"""What a gateway in front of a provider answers while nobody is behind it."""


class Refused(Exception):
    """The call ends with this answer, whoever was at work."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(f"{answer.status} {answer.parts[:1]}")
        self.answer = answer


@dataclass(slots=True)
class Call:
    """A request and what has become of it. `path` is below the mount, without a slash at its beginning."""

    simulator: Simulator
    method: str
    path: str
    query: str
    params: dict[str, str]
    headers: Headers
    body: bytes
    entry: Entry
    arguments: dict[str, Any] = field(default_factory=dict)
    fault: Fault | None = None

    def json(self) -> Any:
        """The body as JSON. Raises ValueError."""
        return json.loads(self.body)

    def bearer(self) -> str:
        """The key of an `Authorization: Bearer` header, or an empty text."""
        scheme, _, key = self.headers.get("authorization", "").partition(" ")
        return key.strip() if scheme.lower() == "bearer" else ""

    def meets(self, *kinds: str) -> bool:
        """Whether a fault of one of these kinds was scripted for this call."""
        return self.fault is not None and self.fault.kind in kinds

    def retry_after(self, default: str) -> str:
        """The seconds that the tester gave for a retry-after header, else the default."""
        given = self.fault.spec.retry_after_s if self.fault else None
        return default if given is None else f"{given:g}"

    def refer(self, reference: str) -> None:
        """Note what the provider calls the thing that this call is about."""
        self.entry.reference = reference

    def bill(self, *, usd_micro: int = 0, credits: int = 0, calls: int = 0) -> None:  # noqa: A002
        """Charge for the call."""
        self.simulator.house.ledger.bill(self.entry, usd_micro=usd_micro, credits=credits, calls=calls)


Operation = Callable[[Call], Awaitable[Answer]]


@dataclass(frozen=True, slots=True)
class _Route:
    method: str
    template: str
    pattern: Pattern[str]
    operation: Operation


class Simulator:
    """An ASGI application below its mount."""

    name: ClassVar[str]
    mount: ClassVar[str]
    data_class: ClassVar[str] = "synthetic"
    kinds: ClassVar[frozenset[str]] = frozenset()
    timed: ClassVar[frozenset[str]] = frozenset()

    def __init__(self, house: House) -> None:
        self.house = house
        self._routes: list[_Route] = []
        house.faults.admit(self.name, self.mount, self.kinds)

    # What a simulator may say differently

    def admit(self, call: Call) -> None:
        """Refuse a call (raise Refused) for its key or form, before any fault and any bill."""

    def subjects(self, call: Call) -> list[str]:  # noqa: ARG002 - for those who override it
        """The symbols or other names that the call is about, in capitals."""
        return []

    def refusal(self, spec: FaultSpec) -> Answer | None:  # noqa: ARG002 - for those who override it
        """The answer that a fault gives in place of any operation, if it is of that sort; without a bill."""
        return None

    def unknown(self, call: Call) -> Answer:
        """The answer for a path or method that there is not."""
        return Answer.of_json({"error": f"There is no {call.method} {call.path} here."}, 404)

    async def start(self) -> None:
        """Open a port of its own, and tell its number: self.house.ports[name] = number."""

    async def stop(self) -> None:
        """Close it again."""

    def control(self) -> Sequence[BaseRoute]:
        """Routes below /_control/<name>/."""
        return []

    # What a simulator uses

    def on(self, method: str, template: str, operation: Operation) -> None:
        """Answer a method and path, with placeholders in braces, through an operation."""
        self._routes.append(_Route(method, template, compile_path(f"/{template}")[0], operation))

    def answer(self, value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Answer:
        """A JSON answer with the label."""
        return Answer.of_json(value, status, self.labelled(headers))

    def labelled(self, headers: Mapping[str, str] | None = None) -> dict[str, str]:
        """The headers and the label that says that this is synthetic, and what it is."""
        return {LABEL: self.data_class, **(headers or {})}

    def open_entry(self, path: str, **about: Any) -> Entry:
        """Enter a call in the ledger; house.ledger.bill and .close do the rest."""
        return self.house.ledger.open(micro(self.house.wall()), self.name, path, **about)

    # One call

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one HTTP call, or leave it unanswered if a fault says so."""
        try:
            call, operation = await self._arrive(scope, receive)
        except ConnectionError:
            return
        answer = await self._respond(call, operation)
        if answer is not None and not await self._wait(call.fault, receive):
            answer = None
        if answer is None or call.meets("drop"):
            self.house.ledger.close(call.entry, None, 0)
            await _hang_up(scope, receive)
            return
        if call.meets("cut", "stall"):
            await self._half(call, answer, scope, receive, send)
            return
        self.answered(call, answer)
        await _send(send, answer, answer.parts)

    def answered(self, call: Call, answer: Answer) -> None:
        """Note the answer in the ledger."""
        self.house.ledger.close(call.entry, answer.status, answer.length)

    async def _arrive(self, scope: Scope, receive: Receive) -> tuple[Call, Operation | None]:
        headers = Headers(scope=scope)
        body = await _body(receive, headers)
        path = scope["path"].removeprefix(self.mount).removeprefix("/")
        query = scope["query_string"].decode("latin-1")
        params = dict(parse_qsl(query, keep_blank_values=True))
        route, arguments = self._find(scope["method"], path)
        entry = self.open_entry(
            scope["path"],
            operation=f"{scope['method']} {route.template if route else path}",
            group=f"{self.mount}/{route.template}" if route else scope["path"],
            idempotency_key=headers.get("idempotency-key"),
        )
        call = Call(self, scope["method"], path, query, params, headers, body or b"", entry, arguments)
        if body is None:
            return call, _too_large
        return call, route.operation if route else None

    def _find(self, method: str, path: str) -> tuple[_Route | None, dict[str, Any]]:
        for route in self._routes:
            found = route.pattern.match(f"/{path}") if route.method == method else None
            if found:
                return route, found.groupdict()
        return None, {}

    async def _respond(self, call: Call, operation: Operation | None) -> Answer | None:
        """The whole answer, or None when the call is not even accepted."""
        try:
            self.house.ledger.name(call.entry, self.subjects(call))
            self.admit(call)
            if operation is None:
                return self.unknown(call)
            text = f"{call.path}?{call.query}\n{call.body.decode(errors='replace')}"
            call.fault = self.house.faults.take(self.name, call.path, call.entry.symbols, text)
            if call.meets("reset"):
                return None
            return self._scripted(call.fault) or await operation(call)
        except Refused as refused:
            return refused.answer

    def _scripted(self, fault: Fault | None) -> Answer | None:
        if fault is None:
            return None
        return HTML_502 if fault.kind == "html502" else self.refusal(fault.spec)

    async def _wait(self, fault: Fault | None, receive: Receive) -> bool:
        """Sit out the fault's delay. False if nobody waits for the answer any more."""
        if fault is None or fault.kind == "stall" or fault.kind in self.timed:
            return True
        if fault.kind == "hang":
            return await self.pause(None, fault, receive)
        return fault.spec.seconds == 0 or await self.pause(fault.spec.seconds, fault, receive)

    async def pause(self, seconds: float | None, fault: Fault, receive: Receive) -> bool:
        """Wait so long, or with None until the fault is cleared. False when the client left or the sandbox ends."""
        closing = self.house.closing.wait()
        ends = [asyncio.ensure_future(wait) for wait in (_gone(receive), closing, fault.cleared.wait())]
        await asyncio.wait(ends, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        unanswerable = ends[0].done() or ends[1].done()
        for end in ends:
            end.cancel()
        await asyncio.gather(*ends, return_exceptions=True)
        return not unanswerable

    async def _half(self, call: Call, answer: Answer, scope: Scope, receive: Receive, send: Send) -> None:
        """Send half of the answer; then hang up, or be silent for a while and go on."""
        assert call.fault is not None
        first, rest = _halves(answer.parts)
        await _send(send, answer, first, more=True)
        if call.fault.kind == "cut" or not await self.pause(call.fault.spec.seconds or None, call.fault, receive):
            self.house.ledger.close(call.entry, answer.status, sum(map(len, first)))
            await _hang_up(scope, receive)
            return
        self.answered(call, answer)
        await _send_parts(send, rest)


def _halves(parts: list[bytes]) -> tuple[list[bytes], list[bytes]]:
    if len(parts) > 1:
        return parts[: len(parts) // 2], parts[len(parts) // 2 :]
    [whole] = parts
    return [whole[: len(whole) // 2]], [whole[len(whole) // 2 :]]


async def _send(send: Send, answer: Answer, parts: list[bytes], *, more: bool = False) -> None:
    headers = {"content-type": answer.media_type, **answer.headers}
    if isinstance(answer.body, bytes) and answer.status != 304:
        headers["content-length"] = str(len(answer.body))
    raw = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": answer.status, "headers": raw})
    await _send_parts(send, parts, more=more)


async def _send_parts(send: Send, parts: list[bytes], *, more: bool = False) -> None:
    for number, part in enumerate(parts, 1):
        await send({"type": "http.response.body", "body": part, "more_body": more or number < len(parts)})


async def _body(receive: Receive, headers: Headers) -> bytes | None:
    """The request's body, or None when it is too large; what was read of it is thrown away then.

    Raises `ConnectionError` when the client goes away in the middle: such a request has never been made.
    """
    has_body = headers.get("content-length", "0") != "0" or "transfer-encoding" in headers
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            if not has_body:
                return b""
            raise ConnectionError("The client went away before it had sent its whole request.")
        body += message.get("body", b"")
        if len(body) > BODY_BYTES_MAX:
            return None
        if not message.get("more_body", False):
            return bytes(body)


async def _too_large(call: Call) -> Answer:  # noqa: ARG001 - an operation like any other
    return Answer.of_json({"error": {"message": f"The sandbox takes bodies of {BODY_BYTES_MAX} bytes at most."}}, 413)


async def _gone(receive: Receive) -> None:
    """Wait until the client has closed the connection."""
    while (await receive())["type"] != "http.disconnect":
        pass


async def _hang_up(scope: Scope, receive: Receive) -> None:
    """Close the connection without (the rest of) an answer."""
    scope["state"]["transport"].close()
    await _gone(receive)
