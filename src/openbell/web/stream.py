"""Publication to open streams: the current state of each watched key, and each change of it, once.

Level-triggered: a hint only says *look*. What a stream sends is the row as it is now, so lost, doubled or reordered
hints change nothing but latency, and a slow reader skips states instead of queueing them. A key is read once per change
and process; its encoded frame is shared by all who watch it. Memory is bounded by keys watched, not by events.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import random
import time
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

from fastapi import Response
from pydantic_core import to_json
from starlette.types import Message, Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from openbell.engine.artifacts import Reading, read_heads, read_many
from openbell.engine.duty import Duty
from openbell.people.doors import still_admins
from openbell.postgres.queries import Queries
from openbell.products.licences import is_reserved
from openbell.telemetry import traces
from openbell.web import fragments, views
from openbell.web.errors import DatabaseUnavailable
from openbell.web.licence import withheld
from openbell.web.marks import GRACE_S, shown_state
from openbell.web.server import rest

if TYPE_CHECKING:
    from openbell.engine.hints import Hint
    from openbell.web.backend import Database

log = logging.getLogger(__name__)
_SQL = Queries("openbell.web")

Watch = tuple[str, str]  # product and key

KEYS_MAX = 200
FOR_ALL = "*"  # behind a form: as those have it who are not the operator
STREAMS_MAX = 20_000
POLL_S = 3.0
PING_S = 15.0
PING_BEAT_S = 1.0
PINGS_AT_ONCE = STREAMS_MAX // 10
REUSE_S = 0.5
READ_MAX = 200  # keys in one statement
CHUNK_BYTES = 65_536  # of frames in one part of an answer
GOODBYE_S = (1.0, 5.0)
PER_SHARE = ("dividend-history", "analyst-price-targets", "valuations")
ASIDE_OF = {  # who is drawn with figures of whom
    "eod-prices": ("quote", "analyst-price-targets"),
    "profile": ("quote", "eod-prices", "intraday-prices", *PER_SHARE),
}
HELLO = b": watching\n\n"
PING = b": ping\n\n"
LEFT_OPEN = "left_open"
"""Where an answer leaves a stream for :func:`stay`, in the state of its scope."""
NEEDED = frozenset(("type", "asgi", "http_version", "method", "headers", "state"))
STATE: Watch = ("", "")  # beside the keys: whether the database can be read
AWAY = b'event: state\ndata: {"away":true}\n\n'
BACK = b'event: state\ndata: {"away":false}\n\n'


@dataclass(slots=True)
class Topic:
    """One watched key: who watches, what was sent last in which form, and when time alone will change its state."""

    key: Watch
    watchers: set[Subscriber] = field(default_factory=set)
    newcomers: set[Subscriber] = field(default_factory=set)  # of the watchers: who has been told nothing yet
    etag: str = ""
    head: tuple[object, ...] | None = None
    turns_at: float = float("inf")  # monotonic: fresh turns stale, stale turns expired
    frames: dict[str, bytes] = field(default_factory=dict)
    framed_at: float = float("-inf")  # monotonic: frames tell an age, so they are not good for long


class Subscriber:
    """One open stream. Only the newest frame of each key waits for it, and it has a task only while it is sending."""

    __slots__ = ("_due", "_line", "_send", "_sending", "ended", "form", "keys", "pending", "proof", "spoke_at")

    def __init__(self, keys: Iterable[Watch], form: str, proof: bytes | None = None) -> None:
        self.keys = tuple(keys)
        self.form = form
        self.proof = proof  # by what an operator who sees everything was known
        self.pending: dict[Watch, bytes] = {}
        self.ended = False
        self.spoke_at = time.monotonic()
        self._due = False
        self._line: RequestResponseCycle | None = None
        self._send: Send | None = None
        self._sending: asyncio.Task[None] | None = None

    def offer(self, key: Watch, frame: bytes) -> None:
        """Replace what has not been sent yet."""
        self.pending[key] = frame
        self._flush()

    def write(self, chunk: bytes, now: float) -> bool:
        """Write a chunk of the answer at once, without a turn of the loop. False when it has to be offered instead."""
        line = self._line
        if line is None or self.pending or self.ended or self._sending is not None or not is_free(line):
            return False
        line.transport.write(chunk)
        self.spoke_at = now
        return True

    def ping(self) -> None:
        """Say something, if nothing else is to be said."""
        if not self.pending:
            self.offer(STATE, PING)

    def end(self) -> None:
        """Let the stream finish."""
        self.ended = True
        self._flush()

    def open(self, send: Send) -> None:
        """From now on what is offered goes out."""
        self._send, self._line = send, line_of(send)
        if self._line is not None:
            rest(self._line)
        if self.pending or self.ended:
            self._flush()

    def close(self) -> None:
        """Nobody reads any more."""
        self._send, self._line, self.pending = None, None, {}
        if self._sending is not None:
            self._sending.cancel()

    def _flush(self) -> None:
        """Send soon, together with what is offered until then."""
        if self._send is not None and self._sending is None and not self._due:
            self._due = True
            asyncio.get_running_loop().call_soon(self._begin)

    def _begin(self) -> None:
        self._due = False
        if self._send is None or self._sending is not None:
            return
        while self.pending and self._line is not None and not self.ended and is_free(self._line):
            self._line.transport.write(chunk_of(take(self.pending)))
            self.spoke_at = time.monotonic()
        if self.pending or self.ended:
            self._sending = asyncio.get_running_loop().create_task(self._deliver(self._send))

    async def _deliver(self, send: Send) -> None:
        """Send what waits, as fast as this reader takes it; at the end when to come back."""
        try:
            while self.pending:
                self.spoke_at = time.monotonic()
                await send(body(take(self.pending)))
            if self.ended:
                self._send = None
                low, high = GOODBYE_S
                again = f"retry: {random.uniform(low, high) * 1000:.0f}\n\n"  # noqa: S311 -- spreads reconnects, no secret
                await send(body(again.encode(), more=False))
        except OSError:
            self._send = None  # the reader has gone, which the stream itself is told too
        finally:
            self._sending = None


def line_of(send: Send) -> RequestResponseCycle | None:
    """Uvicorn's own end of a connection, where one can write without a task and a state machine for each event."""
    cycle = getattr(send, "__self__", None)
    is_chunked = isinstance(cycle, RequestResponseCycle) and cycle.scope["http_version"] == "1.1"
    return cycle if is_chunked else None


def is_free(line: RequestResponseCycle) -> bool:
    """Whether one may write; not when the reader is slow, or has gone."""
    return not (line.flow.write_paused or line.disconnected or line.transport.is_closing())


def take(frames: dict[Watch, bytes]) -> bytes:
    """The next frames to send, about CHUNK_BYTES of them: a reader who stops is given no more than one buffer holds."""
    taken = bytearray()
    for watch in list(frames):
        taken += frames.pop(watch)
        if len(taken) >= CHUNK_BYTES:
            break
    return bytes(taken)


def chunk_of(said: bytes) -> bytes:
    """A part of an answer that does not tell its length."""
    return b"%x\r\n%b\r\n" % (len(said), said)


def body(said: bytes, *, more: bool = True) -> Message:
    """The next part of an answer."""
    return {"type": "http.response.body", "body": said, "more_body": more}


class Hub(Duty):
    """What the streams of this process watch. Reads on a hint, and every POLL_S in case a hint was lost."""

    name = "stream"

    def __init__(self, *, poll_s: float = POLL_S) -> None:
        super().__init__()
        self.database: Database | None = None
        self.held: Collection[str] = ()  # the providers whose data everybody may see
        self.poll_s = poll_s
        self.topics: dict[Watch, Topic] = {}
        self.subscribers: set[Subscriber] = set()
        self.operators: set[Subscriber] = set()  # of the subscribers: whose rights may end before their stream does
        self.asides: dict[str, views.Aside] = {}  # what the quotes on pages are drawn with, by symbol
        self.reads = 0
        self.pinger = Pinger(self.subscribers)
        self._dirty: set[Watch] = set()
        self._poll_at = 0.0
        self._away = False

    def start(self) -> None:
        """Begin to look, and to break silences."""
        super().start()
        self.pinger.start()

    async def stop(self) -> None:
        """End both."""
        await self.pinger.stop()
        await super().stop()

    def on_hint(self, hint: Hint) -> None:
        """Called by the listener; only remembers what to look at."""
        if hint.kind == "artifact" and self.topics:
            self.look(self.topics if hint.keys is None else hint.keys)

    def look(self, keys: Iterable[Watch]) -> None:
        """Read these keys again soon, so far as anybody watches them."""
        found = [key for key in keys if key in self.topics]
        if found:
            self._dirty.update(found)
            self.wake()

    def join(self, subscriber: Subscriber) -> None:
        """Watch: what was read a moment ago goes out at once, the rest after one read for all who join meanwhile."""
        if not self.subscribers:
            self.pinger.wake()
        self.subscribers.add(subscriber)
        if subscriber.proof is not None:
            self.operators.add(subscriber)
        if self._away:
            subscriber.offer(STATE, AWAY)
        recent = time.monotonic() - REUSE_S
        topics = [self.topics.setdefault(key, Topic(key)) for key in subscriber.keys]
        subscriber.keys = tuple(topic.key for topic in topics)  # the same objects for all who watch
        for key, topic in zip(subscriber.keys, topics, strict=True):
            topic.watchers.add(subscriber)
            known = topic.frames.get(subscriber.form) if topic.framed_at > recent else None
            if known is None:
                topic.newcomers.add(subscriber)
                self.look([key])
            elif known:
                subscriber.offer(key, known)

    def leave(self, subscriber: Subscriber) -> None:
        """Watch no more; the last watcher takes the topic along."""
        self.subscribers.discard(subscriber)
        self.operators.discard(subscriber)
        for key in subscriber.keys:
            topic = self.topics.get(key)
            if topic is None:
                continue
            topic.watchers.discard(subscriber)
            topic.newcomers.discard(subscriber)
            if not topic.watchers:
                del self.topics[key]
                if key[0] == "quote":
                    self.asides.pop(key[1], None)

    async def watch(self, keys: Sequence[Watch]) -> None:
        """Register interest: before anything is read, so that what is stale is already on its way."""
        await self._database().watch(keys)

    async def unwatch(self, keys: Sequence[Watch]) -> None:
        """End the interest, also when the task that asks for it is being cancelled."""
        if self.database is not None:
            await asyncio.shield(self.database.unwatch(keys))

    def end_all(self) -> None:
        """Let every stream say goodbye."""
        for subscriber in list(self.subscribers):
            subscriber.end()

    async def beat(self) -> float:
        """Read what is dirty; tell the pages when that cannot be done, for then they are older than they look."""
        try:
            pause_s = await self._look()
        except Exception:
            self._tell(away=True)
            raise
        self._tell(away=False)
        return pause_s

    def _tell(self, *, away: bool) -> None:
        if away != self._away:
            self._away = away
            for subscriber in self.subscribers:
                subscriber.offer(STATE, AWAY if away else BACK)

    async def _look(self) -> float:
        """Read what is dirty; look for what no hint told us when the poll is due."""
        if not self.topics or self.database is None:
            return 60.0  # a new watcher wakes us
        now = time.monotonic()
        self._dirty.update(key for key, topic in self.topics.items() if topic.turns_at <= now)
        if now >= self._poll_at:
            await self._poll()
            self._poll_at = time.monotonic() + self.poll_s
        keys, self._dirty = [k for k in self._dirty if k in self.topics], set()
        try:
            for start in range(0, len(keys), READ_MAX):
                await self._read(keys[start : start + READ_MAX])
        except BaseException:
            self._dirty.update(keys)
            raise
        turns = min((topic.turns_at for topic in self.topics.values()), default=float("inf"))
        return max(0.0, min(self._poll_at, turns) - time.monotonic())

    def _database(self) -> Database:
        if self.database is None:
            raise DatabaseUnavailable
        return self.database

    async def _poll(self) -> None:
        """Compare the heads of all watched keys with what was seen last: hints may be lost, this is the truth."""
        async with self._database().use() as db:
            heads = await read_heads(db, list(self.topics))
            if self.operators:
                self._part_from(await still_admins(db, {one.proof for one in self.operators if one.proof}))
        for key, head in heads.items():
            topic = self.topics.get(key)
            if topic is not None and topic.head != head:
                topic.head = head
                self._dirty.add(key)

    def _part_from(self, admins: Collection[bytes]) -> None:
        """End the streams of whoever is no operator any more: they come again, and see what everybody sees."""
        for subscriber in [one for one in self.operators if one.proof not in admins]:
            subscriber.end()

    async def _read(self, keys: Collection[Watch]) -> None:
        async with self._database().use() as db:
            readings = await read_many(db, list(keys))
        self.reads += 1
        self._keep_asides(readings)
        sent = [(reading, viewers) for reading in readings if (viewers := self._publish(reading))]
        if traces.is_on() and sent:
            await self._trace(sent)

    async def _trace(self, sent: list[tuple[Reading, int]]) -> None:
        """The last step of the way of a result, under the job that made it."""
        async with self._database().use() as db:
            keys = [[one.product for one, _ in sent], [one.key for one, _ in sent], [one.version for one, _ in sent]]
            made = {
                (row["product"], row["key"]): row["job_id"] for row in await db.fetch(_SQL.get("find_makers"), *keys)
            }
        for reading, viewers in sent:
            if (job_id := made.get((reading.product, reading.key))) is not None:
                traces.note(
                    "delivery", job_id, viewers=viewers, product=reading.product, key=reading.key,
                    version=reading.version,
                )  # fmt: skip

    def _keep_asides(self, readings: list[Reading]) -> None:
        """A quote on a page is drawn with figures of other products: keep those few, and redraw it when they change."""
        for reading in readings:
            if reading.product not in ASIDE_OF:
                continue
            before = self.asides.get(reading.key, views.NO_ASIDE)
            after = views.aside_of([reading], before)
            if after != before:
                self.asides[reading.key] = after
                for product in ASIDE_OF[reading.product]:
                    self._redraw((product, reading.key))

    def _redraw(self, key: Watch) -> None:
        topic = self.topics.get(key)
        if topic is not None and topic.frames.keys() - {"json", f"json{FOR_ALL}"}:
            topic.etag = ""
            self.look([key])

    def _publish(self, reading: Reading) -> int:
        """Send it to whoever has not seen it; to how many watchers it is news."""
        key = (reading.product, reading.key)
        topic = self.topics.get(key)
        if topic is None:
            return 0
        topic.turns_at = time.monotonic() + next_turn_s(reading)
        etag = f"{reading.etag} {shown_state(reading)}"
        changed = topic.etag != etag
        audience = topic.watchers if changed else topic.newcomers
        if not audience:
            return 0
        topic.etag = etag
        topic.frames = {form: self._encode(reading, form) for form in {subscriber.form for subscriber in audience}}
        topic.framed_at = time.monotonic()
        chunks = {form: chunk_of(frame) for form, frame in topic.frames.items() if frame}
        for subscriber in audience:
            chunk = chunks.get(subscriber.form)
            if chunk is not None and not subscriber.write(chunk, topic.framed_at):
                subscriber.offer(key, topic.frames[subscriber.form])
        news = len(audience) if changed else 0
        topic.newcomers.clear()
        return news

    def _encode(self, reading: Reading, form: str) -> bytes:
        aside = self.asides.get(reading.key, views.NO_ASIDE)
        if form.endswith(FOR_ALL):
            form = form.removesuffix(FOR_ALL)
            if is_reserved(reading, self.held):
                reading, aside = withheld(reading), views.NO_ASIDE
        if form == "json":
            return frame("artifact", reading, reading.as_json())
        draw = fragments.row if form == "row" else fragments.card
        html = draw(reading, aside)
        if html is None:
            return b""  # nothing on the page stands for this key alone
        name = f"{reading.product}:{reading.key}"
        return frame("fragment", reading, {"key": name, "version": reading.version, "html": html})


def frame(event: str, reading: Reading, data: object) -> bytes:
    """One server-sent event; the id is the version, so a reconnect needs no log: the current state is sent again."""
    head = f"id: {reading.product}:{reading.key}@{reading.version}\nevent: {event}\ndata: ".encode()
    return head + to_json(data) + b"\n\n"


def next_turn_s(reading: Reading) -> float:
    """Seconds until time alone changes the state; infinite when it does not."""
    if reading.fresh_until is None or reading.stale_until is None:
        return float("inf")
    late = reading.fresh_until + timedelta(seconds=GRACE_S)
    ahead = [at for at in (reading.fresh_until, late, reading.stale_until) if at > reading.now]
    return (min(ahead) - reading.now).total_seconds() + 0.05 if ahead else float("inf")


class Pinger(Duty):
    """One for all streams of a process: says something where nothing was said for PING_S, so many at a time."""

    name = "ping"

    def __init__(self, subscribers: Collection[Subscriber]) -> None:
        super().__init__()
        self._subscribers = subscribers

    async def beat(self) -> float:
        """Ping whoever has heard nothing for long."""
        before = time.monotonic() - PING_S
        quiet = (one for one in list(self._subscribers) if one.spoke_at < before and not one.pending)
        for one in itertools.islice(quiet, PINGS_AT_ONCE):
            one.ping()
        return PING_BEAT_S if self._subscribers else 60.0  # a new stream wakes us


class EventStream(Response):
    """One open stream. Whatever ends it, also before its first byte, ends its interest.

    Called, it only begins the answer, and leaves the rest to the outermost layer (:func:`stay`): the layers between
    stand in memory as long as they are waited for, 8 kB a stream.
    """

    def __init__(self, hub: Hub, subscriber: Subscriber, stopping: asyncio.Event) -> None:
        super().__init__(
            media_type="text/event-stream", headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        )
        del self.headers["content-length"]
        self.hub, self.subscriber, self.stopping = hub, subscriber, stopping

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 -- the interface
        """Begin the answer."""
        try:
            await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        except BaseException:
            await self.hub.unwatch(self.subscriber.keys)
            raise
        scope["state"][LEFT_OPEN] = (self.hub, self.subscriber, self.stopping)


async def stay(scope: Scope, receive: Receive, send: Send) -> None:
    """Follow the stream that an answer has left open, if it has; forget of the request what a server does not need."""
    left = scope["state"].pop(LEFT_OPEN, None)
    if left is not None:
        kept = {name: scope[name] for name in NEEDED if name in scope}
        scope.clear()  # a dict that only loses names keeps its size
        scope.update(kept)
        hub, subscriber, stopping = left
        await follow(hub, subscriber, stopping, receive, send)


async def follow(hub: Hub, subscriber: Subscriber, stopping: asyncio.Event, receive: Receive, send: Send) -> None:
    """Send until the reader goes or the process stops."""
    try:
        await send(body(HELLO))
        subscriber.open(send)
        hub.join(subscriber)
        if stopping.is_set():
            subscriber.end()
        while (await receive())["type"] != "http.disconnect":
            pass
    finally:
        hub.leave(subscriber)
        subscriber.close()
        await hub.unwatch(subscriber.keys)


def check_room(hub: Hub) -> None:
    """A process has room for a number of streams; above it says so instead of becoming slow for all."""
    if len(hub.subscribers) >= STREAMS_MAX:
        raise DatabaseUnavailable("This process has no room for another stream.", code="streams_full")
