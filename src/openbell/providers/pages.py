"""Pages of publishers, fetched for nothing, and the article in them.

A page is an address from outside: it goes through the guarded fetcher. What it holds is taken apart in a process of its
own (page_reader.py), so that no page can stop the worker: one that takes longer than it may is given up, with that
process. Nothing of a page is run.
"""

from __future__ import annotations

import asyncio
import os
import sys
from dataclasses import dataclass
from datetime import timedelta

from openbell.engine.attempt import Attempt
from openbell.engine.errors import Permanent, ProducerError, Transient
from openbell.engine.ledger import Limit
from openbell.providers import wire
from openbell.providers.outbound import Fetcher

TIMEOUT_S = 30.0
MOST_BYTES = 10 * 1024 * 1024
TYPES = ("text/html", "application/xhtml+xml", "text/plain")


def limits(calls_per_minute: int = 600) -> list[Limit]:
    """How often pages are asked for, of all publishers together."""
    return [Limit("pages", "calls", "minute", calls_per_minute, span=timedelta(minutes=1))]


@dataclass(frozen=True, slots=True)
class Article:
    """A page as it was found: where it was in the end, its text (empty where none could be found), and its HTML."""

    url: str
    text: str
    html: str
    synthetic: str | None


class Pages:
    """Pages as one attempt may ask for them."""

    def __init__(self, fetcher: Fetcher, reader: Reader, attempt: Attempt) -> None:
        self._fetcher, self._reader, self._attempt = fetcher, reader, attempt

    async def read(self, url: str) -> Article:
        """The article at an address.

        Raises, beside the errors of :meth:`Fetcher.fetch`, :class:`Permanent` `page_gone` (404, 410),
        `page_forbidden` (401, 402, 403, 451), `page_http_…`; :class:`Transient` `page_rate_limited`, `page_outage`,
        and `page_too_slow` for one that cannot be taken apart in time.
        """
        timeout = wire.call_time(TIMEOUT_S)
        async with self._attempt.spends("pages").call("page", timeout=timeout, slow=2 * timeout) as call:
            fetched = await self._fetcher.fetch(
                call, url, headers={"accept": "text/html"}, types=TYPES, most_bytes=MOST_BYTES, most_seconds=TIMEOUT_S
            )
            if (wrong := refusal(url, fetched.answer.status)) is not None:
                raise wrong
        answer = fetched.answer
        self._attempt.cite(provider="pages", operation="page", synthetic=answer.synthetic)
        html = answer.text
        return Article(fetched.url, await self._reader.text(html), html, answer.synthetic)


def refusal(url: str, status: int) -> ProducerError | None:
    """What a publisher means by a status; None where it brings the page."""
    host = url.split("/")[2][:100] if url.count("/") >= 2 else "the page"
    if status == 200:
        return None
    if status in (404, 410):
        return Permanent(f"{host} has no such page (HTTP {status}).", code="page_gone")
    if status in (401, 402, 403, 451):
        return Permanent(f"{host} does not show the page (HTTP {status}).", code="page_forbidden")
    if status == 429:
        return Transient(f"{host} asks for fewer calls.", code="page_rate_limited")
    if status >= 500:
        return Transient(f"{host} is out of order (HTTP {status}).", code="page_outage")
    return Permanent(f"{host} does not show the page (HTTP {status}).", code=f"page_http_{status}")


class Reader:
    """Takes pages apart, one at a time, in a process that is begun when it is needed and begun anew when a page has
    stopped it. The process has none of our secrets.
    """

    def __init__(self, *, most_seconds: float = TIMEOUT_S) -> None:
        self._process: asyncio.subprocess.Process | None = None
        self._turn = asyncio.Lock()
        self._most_seconds = most_seconds

    async def text(self, html: str) -> str:
        """The text of the article in a page; empty where there is none.

        Raises :class:`Transient` `page_too_slow`, and :class:`Permanent` `too_large`.
        """
        packed = html.encode("utf-8", "replace")
        if len(packed) > 2 * MOST_BYTES:
            raise Permanent("The page is larger than what is read.", code="too_large")
        async with self._turn:
            try:
                return await asyncio.wait_for(self._ask(packed), self._most_seconds)
            except TimeoutError as error:
                await self._end()
                raise Transient("The page could not be taken apart in time.", code="page_too_slow") from error
            except (asyncio.IncompleteReadError, ConnectionError):
                await self._end()
                return ""  # the page has brought the process down; it is not read again
            except BaseException:
                await self._end()
                raise

    async def _ask(self, packed: bytes) -> str:
        process = self._process
        if process is None or process.returncode is not None:
            kept = {
                name: value for name, value in os.environ.items() if name in ("PATH", "LANG", "SYSTEMROOT", "TMPDIR")
            }
            process = self._process = await asyncio.create_subprocess_exec(
                sys.executable, "-I", "-m", "openbell.providers.page_reader",
                stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, env=kept,
            )  # fmt: skip
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(len(packed).to_bytes(4, "big") + packed)
        await process.stdin.drain()
        size = int.from_bytes(await process.stdout.readexactly(4), "big")
        return (await process.stdout.readexactly(size)).decode("utf-8", "replace")

    async def _end(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            if process.returncode is None:
                process.kill()
            await process.wait()
            transport = getattr(process, "_transport", None)
            if transport is not None:
                transport.close()

    async def aclose(self) -> None:
        """End the process."""
        await self._end()
