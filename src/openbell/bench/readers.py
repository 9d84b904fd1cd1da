"""Browsers that read again and again, timed by the kernel: from the moment of sending to the last byte in the socket.

A process of their own, so that their work shares processors with the answering as little as can be. What they do late,
because others have the processors, is no wait: the kernel stamps what comes in (:mod:`openbell.bench.arrivals`).
"""

from __future__ import annotations

import asyncio
import random
import socket
import time

from openbell.bench.arrivals import ROOM, SO_TIMESTAMPNS, stamp_of
from openbell.bench.errors import BenchError
from openbell.bench.read import HEAD_END
from openbell.bench.stage import Options, Orders, Role, main, tell
from openbell.bench.watchers import HOST, PATIENCE_S

READ_BYTES = 262_144
KNOWN = (b"200", b"404")


class Reader:
    """One browser that asks for one path every so often, each time on a new connection."""

    def __init__(self, port: int, path: str) -> None:
        self._port = port
        head = f"GET {path} HTTP/1.1\r\nHost: {HOST}\r\nAccept-Encoding: gzip\r\nConnection: close\r\n\r\n"
        self._request = head.encode()
        self._data, self._asked = b"", 0.0
        self._socket: socket.socket | None = None
        self._done: asyncio.Future[float] | None = None

    async def ask(self) -> float:
        """One answer: how many milliseconds from connecting until the last of it was in the socket.

        Raises :class:`BenchError` when there is none, or another than 200 or 404.
        """
        loop = asyncio.get_running_loop()
        self._data, self._done = b"", loop.create_future()
        with socket.socket() as self._socket:
            self._socket.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
            self._asked = time.time()
            self._socket.connect((HOST, self._port))  # the kernel takes it at once on this machine
            self._socket.sendall(self._request)
            self._socket.settimeout(0)
            loop.add_reader(self._socket.fileno(), self._take)
            try:
                return await asyncio.wait_for(self._done, PATIENCE_S)
            finally:
                loop.remove_reader(self._socket.fileno())

    def _take(self) -> None:
        assert self._done is not None
        assert self._socket is not None
        if self._done.done():
            return
        try:
            data, beside, _, _ = self._socket.recvmsg(READ_BYTES, ROOM)
        except BlockingIOError:
            return
        except OSError as error:
            self._done.set_exception(BenchError(f"A read was not answered. {error}"))
            return
        self._data += data
        if not data or (len(self._data) > len(HEAD_END) and self._data[9:12] not in KNOWN):
            self._done.set_exception(BenchError(f"A reader was refused: {self._data[-300:].decode(errors='replace')}"))
        elif self._is_whole():
            self._done.set_result(1_000 * (stamp_of(beside) - self._asked))

    def _is_whole(self) -> bool:
        head, found, body = self._data.partition(HEAD_END)
        length = head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0]
        return bool(found) and len(body) >= int(length)


async def readers(_dsn: str, orders: Orders, options: Options) -> dict[str, object]:
    """``viewers`` who each look every ``every`` seconds from ``go`` on, at the ``paths`` in turns; all their waits."""
    paths, every, waits = options["paths"], options["every"], list[tuple[float, float]]()
    crowd = [Reader(options["port"], paths[n % len(paths)]) for n in range(options["viewers"])]
    keeper = socket.socket()  # the kernel stops stamping when nobody is left who wants it, and takes a while to begin
    keeper.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
    tell(ready=True)
    await orders.go.wait()
    begun = time.monotonic()

    async def look(n: int, one: Reader) -> None:
        chance = random.Random(n)  # noqa: S311
        await _pause(orders.stop, chance.uniform(0, every))
        while not orders.stop.is_set():
            at = time.monotonic() - begun
            waits.append((round(at, 3), round(await one.ask(), 3)))
            await _pause(orders.stop, every)

    with keeper:
        await asyncio.gather(*(look(n, one) for n, one in enumerate(crowd)))
    return {"waits": waits}


async def _pause(stop: asyncio.Event, seconds: float) -> None:
    try:
        await asyncio.wait_for(stop.wait(), seconds)
    except TimeoutError:
        return


ROLES: dict[str, Role] = {"readers": readers}

if __name__ == "__main__":
    main(ROLES)
