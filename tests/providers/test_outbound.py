"""The fetcher for addresses from outside, attacked: no link may lead into our own network, hold a worker or fill it."""

from __future__ import annotations

import asyncio
import gzip
import zlib
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any

import httpcore
import pytest
from hypothesis import given
from hypothesis import strategies as st

from openbell.engine.errors import Permanent, ProducerError, Transient
from openbell.engine.spends import Call
from openbell.providers import outbound
from openbell.providers.addresses import check_url, special
from openbell.providers.outbound import Fetched, Fetcher
from openbell.providers.pauses import asked_pause
from tests.certificates import Certificate, certify
from tests.providers.scripted import Scripted, http, serving

PUBLIC = "93.184.215.14"
GZIP = {"content_encoding": "gzip"}


def a_call() -> Call:
    return Call(1, "fetch", "repeat", None)


class Names:
    """A name server of the test's own: each question takes the next answer, the last one stays."""

    def __init__(self, *answers: list[str]) -> None:
        self.answers, self.asked = list(answers), 0

    async def __call__(self, host: str, port: int) -> list[str]:
        self.asked += 1
        return self.answers[min(self.asked, len(self.answers)) - 1]


def fetcher_of(server: Scripted, *, host: str = "news.example", **other: Any) -> Fetcher:
    """A fetcher that may ask the server under a name, and finds it by its own name server."""
    return Fetcher(allowed={(host, server.port)}, resolve=Names(["127.0.0.1"]), **other)


async def get(server: Scripted, path: str = "/", **how: Any) -> Fetched:
    return await fetcher_of(server).fetch(a_call(), f"http://news.example:{server.port}{path}", **how)


async def refused(kind: type[ProducerError], work: Awaitable[Any]) -> str:
    with pytest.raises(ProducerError) as caught:
        await work
    assert type(caught.value) is kind, caught.value
    return caught.value.code


# --- addresses -------------------------------------------------------------------------------------------------------

URLS = [
    "ftp://news.example/feed",
    "file:///etc/passwd",
    "javascript:alert(1)",
    "//news.example/feed",
    "news.example/feed",
    "",
    "http://",
    "http:///feed",
    "http://user@news.example/",
    "http://user:secret@news.example/",
    "http://@news.example/",
    "http://news.example@127.0.0.1/",
    "http://127.0.0.1\\@news.example/",
    "http://news.example\\.evil.example/",
    "http://news.example:8080/",
    "http://news.example:443/",
    "https://news.example:80/",
    "http://news.example:99999/",
    "http://news.example:port/",
    "http://127.1/",
    "http://127.0.1/",
    "http://2130706433/",
    "http://017700000001/",
    "http://0x7f000001/",
    "http://0x7f.0.0.1/",
    "http://0177.0.0.1/",
    "http://127.0.0.0x1/",
    "http://127.0.0.01/",
    "http://１２７.0.0.1/",
    "http://[::1/",
    "http://%31%32%37.0.0.1/",
    "http://news.example\r\nhost: evil/",
    "http://news.example/a b",
    "http://news.example/\x00",
    "http://news.example./",
    "http://ne$ws.example/",
    "http://" + "a" * 5_000 + ".example/",
]


@pytest.mark.parametrize("url", URLS)
async def test_an_address_of_a_strange_form_is_refused(url: str) -> None:
    """DG-9: only http and https, on their own ports, without credentials, to a plain name or address."""
    names, call = Names([PUBLIC]), a_call()
    assert await refused(Permanent, Fetcher(resolve=names).fetch(call, url)) == "refused_url"
    assert names.asked == 0
    assert call.settlement().state == "released"


def test_a_refused_address_shows_no_credentials() -> None:
    """PF-41: what stands before the @ is nobody's business."""
    with pytest.raises(Permanent) as caught:
        check_url("https://user:marked-secret@news.example/")
    assert "marked-secret" not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1/",
        "http://127。0。0。1/",
        "https://10.0.0.5/",
        "http://192.168.1.1/",
        "http://172.16.0.1/",
        "http://169.254.169.254/latest/meta-data/",
        "http://100.64.0.1/",
        "http://0.0.0.0/",
        "http://224.0.0.1/",
        "http://255.255.255.255/",
        "http://[::1]/",
        "http://[::]/",
        "http://[::ffff:127.0.0.1]/",
        "http://[::ffff:7f00:1]/",
        "http://[::127.0.0.1]/",
        "http://[fe80::1]/",
        "http://[fe80::1%25eth0]/",
        "http://[fd00::1]/",
        "http://[ff02::1]/",
        "http://[2002:7f00:1::]/",
        "http://[64:ff9b::7f00:1]/",
        "http://[64:ff9b:1::1]/",
        "http://[2001:0:53aa:64c:0:0:80ff:fffe]/",
    ],
)
async def test_an_address_of_our_own_network_is_refused(url: str) -> None:
    """DG-9: private, loopback, link-local, multicast, shared and reserved addresses, and IPv4 dressed up as IPv6."""
    call = a_call()
    assert await refused(Permanent, Fetcher().fetch(call, url)) == "refused_address"
    assert call.settlement().state == "released"


@given(st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6)))
def test_whatever_the_standard_library_calls_special_is_refused(address: IPv4Address | IPv6Address) -> None:
    """DG-9: our list refuses at least what Python's own, an independent one, does."""
    if not address.is_global or address.is_multicast or address.is_reserved:
        assert special(address)


@pytest.mark.parametrize("text", ["8.8.8.8", PUBLIC, "1.1.1.1", "2606:4700:4700::1111", "2a00:1450:4001::200e"])
def test_a_public_address_is_not_refused(text: str) -> None:
    """DG-9: the list does not refuse the internet."""
    assert special(ip_address(text)) is None


async def test_a_name_with_one_private_address_is_refused() -> None:
    """DG-9: all addresses of a name must be public, or it is a way in."""
    fetcher = Fetcher(resolve=Names([PUBLIC, "10.0.0.1"]))
    assert await refused(Permanent, fetcher.fetch(a_call(), "https://news.example/")) == "refused_address"


async def test_a_name_that_does_not_resolve() -> None:
    """DG-9: an unknown name is worth another try; nothing was sent."""

    async def nothing(host: str, port: int) -> list[str]:
        raise OSError("no such name")

    call = a_call()
    assert await refused(Transient, Fetcher(resolve=nothing).fetch(call, "https://news.example/")) == "unresolvable"
    assert call.settlement().state == "released"


async def test_the_machines_own_resolver_is_asked() -> None:
    """DG-9: `localhost` is found as everybody finds it, and refused for where it is."""
    assert await refused(Permanent, Fetcher().fetch(a_call(), "http://localhost/")) == "refused_address"


async def test_the_connection_goes_to_the_address_that_was_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    """DG-9: a name server that changes its answer (DNS rebinding) is never asked again, and no name is dialled."""
    dialled = []

    async def dial(self: Any, host: str, port: int, *rest: Any) -> Any:
        dialled.append((host, port))
        raise httpcore.ConnectError("no route")

    monkeypatch.setattr(httpcore.AnyIOBackend, "connect_tcp", dial)
    names = Names([PUBLIC], ["127.0.0.1"])
    assert await refused(Transient, Fetcher(resolve=names).fetch(a_call(), "https://news.example/")) == "unreachable"
    assert (dialled, names.asked) == ([(PUBLIC, 443)], 1)


async def test_each_new_fetch_is_checked_anew() -> None:
    """DG-9: a name that was public once is not trusted the next time; no connection is kept from before."""
    async with serving({"*": http(200, b"one")}) as server:
        names = Names(["127.0.0.1"], ["127.0.0.1"])
        fetcher = Fetcher(allowed={("news.example", server.port)}, resolve=names)
        for _ in range(2):
            await fetcher.fetch(a_call(), f"http://news.example:{server.port}/")
        assert names.asked == 2
        assert [one.headers["host"] for one in server.asked] == [f"news.example:{server.port}"] * 2


async def test_only_the_pairs_that_were_given_are_allowed() -> None:
    """DG-9: an allowed host and port opens neither another port of the host nor the port on another host."""
    async with serving({"*": http(200)}) as server:
        fetcher = Fetcher(allowed={("127.0.0.1", server.port)}, resolve=Names(["127.0.0.1"]))
        assert (await fetcher.fetch(a_call(), f"{server.url}/")).answer.status == 200
        assert await refused(Permanent, fetcher.fetch(a_call(), "http://127.0.0.1/")) == "refused_address"
        other = f"http://news.example:{server.port}/"
        assert await refused(Permanent, fetcher.fetch(a_call(), other)) == "refused_url"
        assert len(server.asked) == 1


# --- redirects -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("location", "code"),
    [
        ("http://169.254.169.254/latest/meta-data/", "refused_address"),
        ("http://[::ffff:10.0.0.1]/", "refused_address"),
        ("//127.0.0.1/", "refused_address"),
        ("http://127.1/", "refused_url"),
        ("file:///etc/passwd", "refused_url"),
        ("gopher://news.example/", "refused_url"),
        ("http://admin:admin@news.example/", "refused_url"),
        ("http://news.example:22/", "refused_url"),
        ("http://[", "refused_url"),
    ],
)
async def test_a_redirect_is_checked_like_an_address(location: str, code: str) -> None:
    """DG-9: where a redirect leads is checked as if it had been asked for; the call has happened."""
    call = a_call()
    async with serving({"/": http(302, location=location)}) as server:
        work = fetcher_of(server).fetch(call, f"http://news.example:{server.port}/")
        assert await refused(Permanent, work) == code
    assert call.settlement().state == "settled"


async def test_five_redirects_are_followed_and_no_more() -> None:
    """DG-9: a chain of five arrives; one of six, or a circle, does not."""
    chain: dict[str, Any] = {f"/{n}": http(307, location=f"/{n + 1}") for n in range(1, 7)}
    async with serving(chain | {"/6": http(200, b"there"), "/round": http(302, location="/round")}) as server:
        there = await get(server, "/1")
        assert (there.answer.body, there.url) == (b"there", f"http://news.example:{server.port}/6")
        assert await refused(Permanent, get(server, "/round")) == "too_many_redirects"
        assert server.targets[6:] == ["/round"] * 6


async def test_headers_stay_with_the_host_they_were_meant_for() -> None:
    """DG-9, PF-41: what the caller sends to one host is not carried to another, nor to it on the way back by chance."""
    async with serving({"*": http(200)}) as other:
        answers = {
            "/same": http(302, location="/end"),
            "/away": http(302, location=f"http://other.example:{other.port}/end"),
            "/end": http(200),
        }
        async with serving(answers) as first:
            allowed = {("news.example", first.port), ("other.example", other.port)}
            fetcher = Fetcher(allowed=allowed, resolve=Names(["127.0.0.1"]))
            for path in ("/same", "/away"):
                url = f"http://news.example:{first.port}{path}"
                await fetcher.fetch(a_call(), url, headers={"authorization": "marked", "if-none-match": '"1"'})
            assert [one.headers.get("authorization") for one in first.asked] == ["marked"] * 3
            assert [one.headers.get("authorization") for one in other.asked] == [None]
            assert "if-none-match" not in other.asked[0].headers


async def test_cookies_are_not_kept() -> None:
    """DG-9: nothing that one answer sets is sent with the next request."""
    answers = {"/": http(302, location="/end", set_cookie="id=1"), "/end": http(200)}
    async with serving(answers) as server:
        await get(server)
        assert all("cookie" not in one.headers for one in server.asked)


async def test_a_permanent_move_is_told() -> None:
    """DG-9: where every redirect said that it lasts, the new address is told; a passing one ends that."""
    answers = {
        "/old": http(301, location="/new"),
        "/new": http(308, location="/now"),
        "/now": http(200),
        "/sometimes": http(302, location="/old"),
        "/half": http(301, location="/sometimes"),
    }
    async with serving(answers) as server:
        base = f"http://news.example:{server.port}"
        assert (await get(server, "/old")).moved_to == f"{base}/now"
        assert (await get(server, "/sometimes")).moved_to is None
        assert (await get(server, "/half")).moved_to == f"{base}/sometimes"
        assert (await get(server, "/now#part")).moved_to is None
        assert server.targets[-1] == "/now"


# --- size, time and type ---------------------------------------------------------------------------------------------


def forever(part: bytes, head: bytes = b"", pause_s: float = 0.0) -> Callable[[asyncio.StreamWriter], Awaitable[None]]:
    """Send `part` again and again."""

    async def send(writer: asyncio.StreamWriter) -> None:
        writer.write(head)
        while True:
            writer.write(part)
            await writer.drain()
            await asyncio.sleep(pause_s)

    return send


PLAIN = b"HTTP/1.1 200 OK\r\ncontent-type: text/html\r\n\r\n"


async def test_an_endless_body_is_cut_off() -> None:
    """DG-9: what has no end is read up to the limit, and what was read counts."""
    call = a_call()
    async with serving({"*": forever(b"x" * 10_000, PLAIN)}) as server:
        url = f"http://news.example:{server.port}/"
        work = fetcher_of(server).fetch(call, url, most_bytes=100_000)
        assert await refused(Permanent, work) == "too_large"
    settlement = call.settlement()
    assert settlement.state == "settled"
    assert 100_000 < settlement.took["bytes"] < 100_000 + outbound.HEADER_BYTES


@pytest.mark.parametrize("layers", [1, 2])
async def test_a_bomb_is_not_unpacked(layers: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """DG-9: a small packed answer that unpacks to much is stopped at the limit, however well it is packed."""
    most_unpacked = 0
    original = outbound._Unpack.add

    def watch(self: Any, chunk: bytes) -> None:
        nonlocal most_unpacked
        try:
            original(self, chunk)
        finally:
            most_unpacked = max(most_unpacked, len(self._body))

    monkeypatch.setattr(outbound._Unpack, "add", watch)
    bomb = gzip.compress(bytes(50_000_000))
    encoding = ", ".join(["gzip"] * layers)
    async with serving({"*": http(200, bomb, content_encoding=encoding)}) as server:
        code = await refused(Permanent, get(server, most_bytes=100_000))
    assert code == ("too_large" if layers == 1 else "unknown_encoding")
    assert most_unpacked == (100_001 if layers == 1 else 0)


async def test_a_packed_answer_is_unpacked() -> None:
    """DG-9: gzip is asked for and understood, exactly up to the limit."""
    body = b"text " * 20_000
    async with serving({"*": http(200, gzip.compress(body), **GZIP)}) as server:
        assert (await get(server, most_bytes=len(body))).answer.body == body
        assert server.asked[0].headers["accept-encoding"] == "gzip"


@pytest.mark.parametrize(
    "packed",
    [gzip.compress(b"text" * 1_000, mtime=0)[:-12], b"not packed at all", zlib.compress(b"text")],
    ids=["cut", "plain", "other"],
)
async def test_a_damaged_packing_is_broken(packed: bytes) -> None:
    """DG-9: half a packed answer is never taken for a whole one."""
    async with serving({"*": http(200, packed, **GZIP)}) as server:
        assert await refused(Transient, get(server)) == "broken"


@pytest.mark.parametrize("encoding", ["br", "zstd", "deflate", "x-unknown"])
async def test_an_unasked_packing_is_refused(encoding: str) -> None:
    """DG-9: only what is unpacked bit by bit is read."""
    async with serving({"*": http(200, b"...", content_encoding=encoding)}) as server:
        assert await refused(Permanent, get(server)) == "unknown_encoding"


@pytest.mark.parametrize(
    "drip",
    [
        forever(b"x", PLAIN, 0.02),
        forever(b"x: y\r\n", b"HTTP/1.1 200 OK\r\n", 0.02),
        forever(b"HTTP/1.1 103 Early Hints\r\n\r\n", b"", 0.02),
        forever(b"", b"", 0.02),
    ],
    ids=["body", "headers", "hints", "silence"],
)
async def test_a_slow_drip_ends_in_time(drip: Any) -> None:
    """DG-9, PF-24: the time is limited in total, not from byte to byte."""
    async with serving({"*": drip}) as server:
        begun = asyncio.get_running_loop().time()
        assert await refused(Transient, get(server, most_seconds=0.3)) == "timeout"
        assert asyncio.get_running_loop().time() - begun < 10


CHUNKED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    ("flood", "kind", "code"),
    [
        (forever(b"x-more: y\r\n" * 500, b"HTTP/1.1 200 OK\r\n"), Transient, "broken"),
        (forever(b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n" * 100), Permanent, "too_large"),
        (forever(b"1;" + b"x" * 1_000 + b"\r\na\r\n", CHUNKED), Permanent, "too_large"),
    ],
    ids=["headers", "hints", "chunk extensions"],
)
async def test_endless_headers_are_cut_off(flood: Any, kind: type[ProducerError], code: str) -> None:
    """DG-9: bytes are counted on the wire, so that what is not body is limited too."""
    async with serving({"*": flood}) as server:
        assert await refused(kind, get(server, most_bytes=50_000)) == code


@pytest.mark.parametrize("answer", [b"", b"nonsense\r\n\r\n", b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf"])
async def test_half_an_answer_is_broken(answer: bytes) -> None:
    """DG-9: an answer that ends too early, or is none, is worth another try."""
    async with serving({"*": answer}) as server:
        assert await refused(Transient, get(server)) == "broken"


async def test_nobody_there() -> None:
    """PF-21: where no connection came about, nothing was taken."""
    call = a_call()
    fetcher = Fetcher(allowed={("127.0.0.1", 1)})
    assert await refused(Transient, fetcher.fetch(call, "http://127.0.0.1:1/")) == "unreachable"
    assert call.settlement().state == "released"


async def test_another_type_is_not_read() -> None:
    """DG-9: a film, where a page was expected, is refused by its label, before its bytes come."""
    film = forever(b"\x00" * 10_000, b"HTTP/1.1 200 OK\r\nContent-Type: Video/MP4; x=y\r\n\r\n")
    page = http(200, b"<p>", content_type="Text/HTML; charset=utf-8")
    async with serving({"/film": film, "/page": page, "/bare": http(200, b"?")}) as server:
        types = {"text/html", "application/xhtml+xml"}
        assert (await get(server, "/page", types=types)).media_type == "text/html"
        for path in ("/film", "/bare"):
            assert await refused(Permanent, get(server, path, types=types)) == "wrong_type"


async def test_a_bad_status_is_for_the_caller_to_read() -> None:
    """DG-9: what a refusal means, the one who asked knows."""
    async with serving({"*": http(429, b"slow", retry_after="7")}) as server:
        answer = (await get(server, types={"text/html"})).answer
        assert (answer.status, answer.body, asked_pause(answer.headers)) == (429, b"slow", timedelta(seconds=7))


# --- encryption ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def certificate() -> Certificate:
    """A certificate for news.example that only this test trusts."""
    return certify("news.example")


async def test_encryption_still_verifies_the_name(certificate: Certificate) -> None:
    """DG-9: the connection goes to an address, and yet the certificate must be that of the name."""
    async with serving({"*": http(200, b"secret")}, tls=certificate.serving()) as server:
        names = Names(["127.0.0.1"])
        allowed = {("news.example", server.port), ("other.example", server.port)}
        fetcher = Fetcher(allowed=allowed, resolve=names, tls=certificate.trusting())
        good = await fetcher.fetch(a_call(), f"https://news.example:{server.port}/")
        assert good.answer.body == b"secret"
        for stranger, host in ((fetcher, "other.example"), (Fetcher(allowed=allowed, resolve=names), "news.example")):
            call = a_call()
            work = stranger.fetch(call, f"https://{host}:{server.port}/")
            assert await refused(Permanent, work) == "bad_certificate"
            assert call.settlement().state == "released"
        assert len(server.asked) == 1


# --- what an answer asks for -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "seconds"),
    [("120", 120), ("0", 1), ("99999999999999999999", 86_400), ("-5", None), ("soon", None), ("", None), ("1.5", None)],
)
def test_a_pause_is_read_from_seconds(said: str, seconds: int | None) -> None:
    """PF-24: a pause that is asked for is kept, within a second and a day; nonsense is none."""
    expected = None if seconds is None else timedelta(seconds=seconds)
    assert asked_pause({"retry-after": said}) == expected


def test_a_pause_is_read_from_a_date() -> None:
    """PF-24: a date is measured by the clock of whoever wrote it."""
    theirs = datetime(2031, 5, 1, 12, 0, tzinfo=UTC)
    date, later = (format_datetime(moment, usegmt=True) for moment in (theirs, theirs + timedelta(minutes=10)))
    assert asked_pause({"retry-after": later, "date": date}) == timedelta(minutes=10)
    assert asked_pause({"retry-after": date, "date": later}) == timedelta(seconds=1)
    soon = format_datetime(datetime.now(UTC) + timedelta(minutes=10), usegmt=True)
    assert timedelta(minutes=9) < (asked_pause({"retry-after": soon}) or timedelta()) <= timedelta(minutes=10)
