"""Server-sent events, as far as our stream uses them (HTML standard, "Server-sent events").

Lines end at a line feed only: texts in our JSON may hold any other mark at which text libraries break lines.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass

from openbell.client.errors import NotOpenbell

EVENT_BYTES_MAX = 96 * 1024 * 1024
"""Above the largest value that a product may have."""


@dataclass(slots=True)
class Event:
    """One event. ``retry_s`` is how long the server asks to wait before a reconnect; ``data`` is empty then."""

    name: str = "message"
    data: bytes = b""
    retry_s: float | None = None


async def read_events(chunks: AsyncIterator[bytes]) -> AsyncGenerator[Event, None]:
    """The events of a stream as they come. Raises :class:`NotOpenbell` for one that never ends."""
    event, rest = Event(), b""
    async for chunk in chunks:
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            field, _, value = line.rstrip(b"\r").partition(b":")
            value = value.removeprefix(b" ")
            if field == b"event":
                event.name = value.decode()
            elif field == b"data":
                event.data += value
            elif field == b"retry" and value.isdigit():
                event.retry_s = int(value) / 1_000
            elif not field and not value:
                if event.data or event.retry_s is not None:
                    yield event
                event = Event()
        if len(rest) + len(event.data) > EVENT_BYTES_MAX:
            raise NotOpenbell(f"An event of the stream is above {EVENT_BYTES_MAX:,} bytes.")
