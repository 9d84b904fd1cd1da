"""Browsers that measure without being in the way: the kernel notes when an answer arrives, and they sleep meanwhile.

A socket that nobody reads, and that no loop waits for, takes an answer without any time of its process. The kernel
stamps each packet as it comes in (SO_TIMESTAMPNS of Linux, by the clock of the machine), and tells the stamp beside the
bytes when they are read, long after.
"""

from __future__ import annotations

import socket
import struct

from openbell.bench.errors import BenchError
from openbell.bench.stage import Options, Orders, Role, main, tell
from openbell.bench.watchers import DATA, HOST, PATIENCE_S, read_frame

SO_TIMESTAMPNS = 35
"""As in Linux's asm-generic/socket.h; Python has no name for it."""
TIMESPEC = struct.Struct("@ll")
READ_BYTES = 65_536
ROOM = socket.CMSG_SPACE(TIMESPEC.size)
OK = b"HTTP/1.1 200"


class Visitor:
    """One connection with one stream, which is read only when told to."""

    __slots__ = ("_began", "_rest", "_socket")

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection((HOST, port), PATIENCE_S)
        self._socket.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        self._rest, self._began = b"", False

    def ask(self, query: str) -> None:
        """Open the stream."""
        self._socket.sendall(f"GET /api/v1/stream?{query} HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode())

    def read(self) -> tuple[float, list[tuple[int, float]]]:
        """What has come: when the last of it came, in seconds, and version and time of change of each state in it.

        Raises :class:`BenchError` when the stream was refused or has ended, or nothing comes.
        """
        try:
            data, beside, _, _ = self._socket.recvmsg(READ_BYTES, ROOM)
        except OSError as error:
            raise BenchError(f"A stream was not answered. {error}") from error
        if not data or not (self._began or data.startswith(OK)):
            raise BenchError(f"A stream was refused, or has ended: {data[-300:].decode(errors='replace')}")
        self._began = True
        *lines, self._rest = (self._rest + data).split(b"\n")
        states = [read_frame(line[len(DATA) :]) for line in lines if line.startswith(DATA)]
        return stamp_of(beside), states

    def wait_for_state(self) -> None:
        """Until some state has come. Raises :class:`BenchError`, also when it has a value already."""
        states: list[tuple[int, float]] = []
        while not states:
            _, states = self.read()
        if any(version for version, _ in states):
            raise BenchError("The key was not cold.")

    def wait_for_value(self) -> float:
        """Until a value has come: how long after its change it had arrived, in milliseconds."""
        while True:
            arrived, states = self.read()
            for version, changed in states:
                if version:
                    return (arrived - changed) * 1_000


def stamp_of(beside: list[tuple[int, int, bytes]]) -> float:
    """The kernel's time of arrival, in seconds."""
    for level, kind, said in beside:
        if (level, kind) == (socket.SOL_SOCKET, SO_TIMESTAMPNS):
            seconds, nanoseconds = TIMESPEC.unpack(said[: TIMESPEC.size])
            return float(seconds) + float(nanoseconds) / 1e9
    raise BenchError("The system does not tell when something has arrived; this measurement needs Linux.")


async def crowd(_dsn: str, orders: Orders, options: Options) -> dict[str, object]:
    """``streams`` connections to the ``ports`` in turns, all of which ask for ``key`` at once; then asleep."""
    ports = options["ports"]
    visitors = [Visitor(ports[n % len(ports)]) for n in range(options["streams"])]
    tell(ready=True)
    await orders.go.wait()
    for visitor in visitors:
        visitor.ask(f"watch={options['key']}")
    for visitor in visitors:
        visitor.wait_for_state()
    tell(waiting=True)
    await orders.look.wait()
    waits = [visitor.wait_for_value() for visitor in visitors]
    tell(answered=True)
    await orders.stop.wait()
    return {"waits": waits}


ROLES: dict[str, Role] = {"crowd": crowd}

if __name__ == "__main__":
    main(ROLES)
