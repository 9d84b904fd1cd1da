"""The one fetcher for addresses that come from outside: feeds and the links in them, redirects, articles.

Whoever writes a link must not be able to make us ask our own network, hold a worker, or fill its memory. So: the form
of the address is checked (addresses.py); its name is resolved once, every answer must be a public address, and the
connection goes to the address that was checked while TLS still verifies the name, so that a second answer of the name
server (DNS rebinding) is never asked for; redirects are followed by hand and each is checked anew; no connection is
kept, no cookie, no proxy of the environment; bytes are counted on the wire and after unpacking, and time is counted in
total.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import zlib
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import httpcore
import httpx

from openbell.engine.errors import Permanent, ProducerError, Transient
from openbell.engine.spends import Call
from openbell.providers.addresses import PORTS, HostPort, check_url, literal, special
from openbell.providers.wire import Answer

MOST_REDIRECTS = 5
MOST_BYTES = 4 * 1024 * 1024
MOST_SECONDS = 15.0
CONNECT_S = 5.0
HEADER_BYTES = 256 * 1024
"""What the wire may carry beside the body: headers of all answers on the way, and the framing."""

Resolve = Callable[[str, int], Awaitable[list[str]]]


@dataclass(frozen=True, slots=True)
class Fetched:
    """An answer, whatever its status, and from where it came in the end.

    ``moved_to`` is the address to ask from now on, where every redirect on the way was a permanent one.
    """

    url: str
    moved_to: str | None
    answer: Answer

    @property
    def media_type(self) -> str:
        """The content type without its parameters, such as `text/html`; empty where none was given."""
        return _media_type(self.answer.headers)


async def resolve(host: str, port: int) -> list[str]:
    """All IP addresses of a name, as the machine resolves it. Raises ``OSError``."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(info[4][0]) for info in found))


class Fetcher:
    """Fetches addresses from outside. One for a whole process; it holds no connection and needs no closing.

    ``contact`` (a mail or web address) goes into the User-Agent. ``allowed`` are pairs of host and port that may be
    asked wherever they are: those that an operator has set as a base address.
    """

    def __init__(
        self,
        *,
        contact: str | None = None,
        allowed: Collection[HostPort] = (),
        resolve: Resolve = resolve,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._allowed = frozenset(allowed)
        self._resolve = resolve
        self._tls = tls or httpx.create_ssl_context(trust_env=False)
        self._headers = {
            "user-agent": f"openbell/0.1 (+{contact})" if contact else "openbell/0.1",
            "accept": "*/*",
            "accept-encoding": "gzip",
        }

    async def fetch(
        self,
        call: Call,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        types: Collection[str] | None = None,
        most_bytes: int = MOST_BYTES,
        most_seconds: float = MOST_SECONDS,
    ) -> Fetched:
        """GET an address, with at most five redirects. ``headers`` go to the host of ``url`` and to no other.

        ``types`` are the media types that a good answer (200) may have. Raises, with these codes,
        :class:`Permanent`: `refused_url`, `refused_address`, `too_many_redirects`, `too_large`, `wrong_type`,
        `unknown_encoding`, `bad_certificate`; :class:`Transient`: `unresolvable`, `unreachable`, `timeout`, `broken`.
        The spend is released where nothing was sent.
        """
        meter = _Meter(most_bytes + HEADER_BYTES)
        await call.sending()
        try:
            async with asyncio.timeout(most_seconds):
                return await self._follow(url, dict(headers or {}), frozenset(types or ()), most_bytes, meter)
        except ProducerError as error:
            if not meter.sent:
                call.never_sent(error.code)
            raise
        except TimeoutError as error:
            if not meter.sent:
                call.never_sent("timeout")
            raise Transient(f"{_host_of(url)} did not answer within {most_seconds:g} s", code="timeout") from error
        finally:
            if meter.received:
                call.took(bytes=meter.received)

    async def _follow(
        self, text: str, headers: dict[str, str], types: frozenset[str], most_bytes: int, meter: _Meter
    ) -> Fetched:
        first = url = check_url(text, self._allowed)
        permanent, moved_to = True, None
        for _ in range(MOST_REDIRECTS + 1):
            carried = headers if _origin(url) == _origin(first) else {}
            answer, target = await self._ask(url, {**self._headers, **carried}, types, most_bytes, meter)
            if answer is not None:
                return Fetched(str(url), moved_to, answer)
            url, lasting = self._next(url, target), target[0] in (301, 308)
            permanent = permanent and lasting
            moved_to = str(url) if permanent else moved_to
        raise Permanent(
            f"{_host_of(text)} redirects more than {MOST_REDIRECTS} times; it is not followed further.",
            code="too_many_redirects",
        )

    def _next(self, url: httpx.URL, target: tuple[int, str]) -> httpx.URL:
        try:
            return check_url(str(url.join(target[1])), self._allowed)
        except httpx.InvalidURL as error:
            raise Permanent(f"{url.host} redirects to what is no address", code="refused_url") from error

    async def _ask(
        self, url: httpx.URL, headers: dict[str, str], types: frozenset[str], most_bytes: int, meter: _Meter
    ) -> tuple[Answer | None, tuple[int, str]]:
        """The answer, or where it points to: (status, location)."""
        guard = _Guard(self._allowed, self._resolve, meter)
        try:
            async with (
                httpcore.AsyncConnectionPool(ssl_context=self._tls, network_backend=guard) as pool,
                pool.stream(
                    "GET",
                    httpcore.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path),
                    headers=list({"host": url.netloc.decode("ascii"), **headers}.items()),
                    extensions={"timeout": {"connect": CONNECT_S}},
                ) as response,
            ):
                status, given = response.status, httpx.Headers(response.headers)
                if status in (301, 302, 303, 307, 308) and (location := given.get("location")):
                    return None, (status, location)
                if status == 200 and types and _media_type(given) not in types:
                    raise Permanent(
                        f"{url.host} answered with {_media_type(given)[:50] or 'no content type'!r}, "
                        f"not with {' or '.join(sorted(types))}.",
                        code="wrong_type",
                    )
                body = await _read(response, given, most_bytes, url.host)
                return Answer(status, given, body), (status, "")
        except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
            raise _unreachable(url.host, error) from error
        except (httpcore.NetworkError, httpcore.ProtocolError, httpcore.TimeoutException, OSError) as error:
            raise Transient(f"the connection to {url.host} broke: {type(error).__name__}", code="broken") from error


async def _read(response: httpcore.Response, headers: httpx.Headers, most: int, host: str) -> bytes:
    """The unpacked body, never more than ``most`` bytes of it in memory."""
    unpack = _Unpack(headers.get("content-encoding", "").strip().lower(), most, host)
    async for chunk in response.aiter_stream():
        unpack.add(chunk)
    return unpack.end()


class _Unpack:
    """Unpacks a body bit by bit, so that a small answer cannot become a huge one."""

    def __init__(self, encoding: str, most: int, host: str) -> None:
        if encoding not in ("", "identity", "gzip", "x-gzip"):
            raise Permanent(
                f"{host} packs its answer as {encoding[:30]!r}, which was not asked for.", code="unknown_encoding"
            )
        self._gzip = zlib.decompressobj(16 + zlib.MAX_WBITS) if "gzip" in encoding else None
        self._body, self._most, self._host, self._fed = bytearray(), most, host, False

    def add(self, chunk: bytes) -> None:
        self._fed = True
        if self._gzip is None:
            self._body += chunk
        else:
            try:
                self._body += self._gzip.decompress(chunk, self._most - len(self._body) + 1)
            except zlib.error as error:
                raise Transient(f"{self._host} sent what cannot be unpacked", code="broken") from error
        if len(self._body) > self._most:
            raise _too_large(self._host, self._most)

    def end(self) -> bytes:
        if self._gzip is not None and self._fed and not self._gzip.eof:
            raise Transient(f"the packed answer of {self._host} is cut short", code="broken")
        return bytes(self._body)


class _Meter:
    """What one fetch has sent and received on the wire, over all its redirects."""

    def __init__(self, most: int) -> None:
        self.most, self.received, self.sent = most, 0, False

    def add(self, size: int, host: str) -> None:
        self.received += size
        if self.received > self.most:
            raise _too_large(host, self.most)


class _Guard(httpcore.AsyncNetworkBackend):
    """Connects to checked addresses only: this is the one place where names become addresses."""

    def __init__(self, allowed: frozenset[HostPort], resolve: Resolve, meter: _Meter) -> None:
        self._allowed, self._resolve, self._meter = allowed, resolve, meter
        self._sockets = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """A connection to the first address of the name that answers."""
        failed: Exception | None = None
        for address in (await self._addresses(host, port))[:3]:
            try:
                stream = await self._sockets.connect_tcp(address, port, timeout, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failed = error
            else:
                return _Metered(stream, self._meter, host)
        raise failed or httpcore.ConnectError("no address")

    async def _addresses(self, host: str, port: int) -> list[str]:
        try:
            found = [host] if literal(host) else await self._resolve(host, port)
        except (OSError, UnicodeError) as error:
            raise Transient(f"the name {host} cannot be resolved", code="unresolvable") from error
        if (host, port) in self._allowed:
            return found
        for text in found:
            address = literal(text)
            what = "not an address" if address is None else special(address)
            if what is not None:
                raise Permanent(f"{host} is at {text} ({what}); it is not fetched.", code="refused_address")
        return found


class _Metered(httpcore.AsyncNetworkStream):
    """A connection whose bytes are counted."""

    def __init__(self, stream: httpcore.AsyncNetworkStream, meter: _Meter, host: str) -> None:
        self._stream, self._meter, self._host = stream, meter, host

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        data = await self._stream.read(max_bytes, timeout)
        self._meter.add(len(data), self._host)
        return data

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._meter.sent = True
        await self._stream.write(buffer, timeout)

    async def aclose(self) -> None:
        await self._stream.aclose()

    async def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.AsyncNetworkStream:
        return _Metered(await self._stream.start_tls(ssl_context, server_hostname, timeout), self._meter, self._host)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


def _media_type(headers: httpx.Headers) -> str:
    return str(headers.get("content-type", "")).partition(";")[0].strip().lower()


def _origin(url: httpx.URL) -> tuple[str, str, int]:
    return url.scheme, url.host, url.port or PORTS[url.scheme]


def _host_of(text: str) -> str:
    try:
        return httpx.URL(text).host[:100]
    except httpx.InvalidURL:
        return "the address"


def _too_large(host: str, most: int) -> Permanent:
    return Permanent(f"{host} sends more than {most:,} bytes; the rest is not read.", code="too_large")


def _unreachable(host: str, error: BaseException) -> ProducerError:
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, ssl.SSLCertVerificationError):
        cause = cause.__cause__ or cause.__context__
    if cause is not None:
        return Permanent(f"the certificate of {host} is not valid for it; it is not fetched.", code="bad_certificate")
    return Transient(f"{host} could not be reached", code="unreachable")
