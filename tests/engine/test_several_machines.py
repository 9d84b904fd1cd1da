"""Several machines with one database: each worker in a network of its own, one with a wrong clock, one far away.

As root each worker lives in a network namespace behind a cable of its own, which is pulled. Elsewhere its connections
go through a relay of this process, which stops passing anything on: the same silence, without a namespace.

`make machines ROUNDS=20` plays it as often.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import re
import subprocess
import sys
from collections.abc import AsyncIterator
from functools import partial
from ipaddress import ip_address, ip_network
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import asyncpg
import pytest

from tests.engine.hand import queue
from tests.sandbox.conftest import sandbox, start  # noqa: F401 - fixtures
from tests.sandbox.harness import Running
from tests.support import eventually

SCRIPT = Path(__file__).with_name("processes.py")
ROUNDS = int(os.environ.get("ROUNDS", "1"))
DAY_S = 86_400
WRONG_CLOCK = f"import time; _right = time.time; time.time = lambda: _right() + {DAY_S}\n"
KEYS = ("AAPL", "IBM", "MSFT", "GOOG")


class Machine:
    """A worker's machine: its way to the database and to the provider, which can be cut."""

    def __init__(self, number: int, database: str, provider: int) -> None:
        self.name, self.port = f"ob{os.getpid() % 100_000}{number}", 0
        self.near, self.far = "127.0.0.1", ""
        self.has_namespace = False
        self.delay_s = 0.0
        self._open = asyncio.Event()
        self._open.set()
        self._ends = (("unix", database), ("tcp", str(provider)))
        self.ports: list[int] = []
        self._servers: list[asyncio.Server] = []
        self._passing: set[asyncio.Task[None]] = set()
        self.process: asyncio.subprocess.Process | None = None

    async def build(self) -> None:
        """The network, and what listens at its near end."""
        try:
            _ip("netns", "add", self.name)
            self.has_namespace = True
            self.near, self.far = _free_pair()
            _ip("link", "add", self.name, "type", "veth", "peer", "name", "eth0", "netns", self.name)
            _ip("addr", "add", f"{self.near}/30", "dev", self.name)
            _ip("link", "set", self.name, "up")
            _ip("-n", self.name, "addr", "add", f"{self.far}/30", "dev", "eth0")
            _ip("-n", self.name, "link", "set", "eth0", "up")
            _ip("-n", self.name, "link", "set", "lo", "up")
        except (OSError, subprocess.CalledProcessError) as error:
            print(f"no network namespace here ({error}): this machine is behind a relay instead")
            self.take_down()
            self.near = "127.0.0.1"
        for kind, where in self._ends:
            server = await asyncio.start_server(partial(self._relay, kind, where), self.near, 0)
            self._servers.append(server)
            self.ports.append(server.sockets[0].getsockname()[1])

    async def employ(self, user: str, database: str, site: Path, log: Path) -> None:
        """Start the worker there, and wait for its word."""
        order = {
            "dsn": f"postgresql://{user}@{self.near}:{self.ports[0]}/{database}",
            "url": f"http://{self.near}:{self.ports[1]}",
        }
        enter = ("ip", "netns", "exec", self.name) if self.has_namespace else ()
        with log.open("wb") as said:
            self.process = await asyncio.create_subprocess_exec(
                *[*enter, sys.executable, str(SCRIPT), json.dumps(order)],
                env={**os.environ, "PYTHONPATH": f"{site}:{Path(__file__).parents[2]}"},
                stdout=asyncio.subprocess.PIPE,
                stderr=said,
            )
        assert self.process.stdout is not None
        line = await asyncio.wait_for(self.process.stdout.readline(), 60)
        assert line == b"ready\n", await asyncio.to_thread(log.read_text)

    def cut(self) -> None:
        """Nothing arrives any more, and nobody is told."""
        self._open.clear()
        if self.has_namespace:
            _ip("link", "set", self.name, "down")

    def mend(self) -> None:
        """The cable is back."""
        self._open.set()
        if self.has_namespace:
            _ip("link", "set", self.name, "up")

    async def remove(self) -> None:
        """Nothing stays."""
        if self.process is not None and self.process.returncode is None:
            self.process.kill()
            await self.process.communicate()
        for task in self._passing:
            task.cancel()
        for server in self._servers:
            server.close()
        self.take_down()

    def take_down(self) -> None:
        """The namespace, and with it both ends of its cable."""
        if self.has_namespace:
            self.has_namespace = False
            _ip("netns", "del", self.name)

    async def _relay(self, kind: str, where: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        way = (
            asyncio.open_unix_connection(where) if kind == "unix" else asyncio.open_connection("127.0.0.1", int(where))
        )
        there_reader, there_writer = await way
        for source, sink in ((reader, there_writer), (there_reader, writer)):
            task = asyncio.create_task(self._pass(source, sink))
            self._passing.add(task)
            task.add_done_callback(self._passing.discard)

    async def _pass(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        try:
            while data := await source.read(2**16):
                if not self.has_namespace:
                    await self._open.wait()
                await asyncio.sleep(self.delay_s)
                sink.write(data)
                await sink.drain()
        except OSError:
            pass
        finally:
            sink.close()


def _ip(*words: str) -> str:
    return subprocess.run(["ip", *words], check=True, capture_output=True, timeout=10, text=True).stdout


def _free_pair() -> tuple[str, str]:
    """Two addresses of one cable, on a network that no interface and no route of this machine knows."""
    taken = [ip_network(one, strict=False) for one in re.findall(r"\d+\.\d+\.\d+\.\d+/\d+", _ip("-4", "route"))]
    taken += [
        ip_network(one, strict=False) for one in re.findall(r"inet (\d+\.\d+\.\d+\.\d+/\d+)", _ip("-4", "address"))
    ]
    while True:
        cable = ip_network((int(ip_address("10.0.0.0")) + 4 * random.randrange(2**22), 30))
        if not any(cable.overlaps(other) for other in taken):
            near, far = cable.hosts()
            return str(near), str(far)


@pytest.fixture
async def machines(dsn: str, sandbox: Running) -> AsyncIterator[list[Machine]]:  # noqa: F811
    """Two, with nobody at work yet."""
    query = parse_qs(urlsplit(dsn).query)
    socket = f"{query['host'][0]}/.s.PGSQL.{query['port'][0]}"
    made = [Machine(number, socket, sandbox.port) for number in (1, 2)]
    for one in made:
        await one.build()
    yield made
    for one in made:
        await one.remove()


@pytest.mark.parametrize("_again", range(ROUNDS))
async def test_a_machine_is_cut_off_and_comes_back(
    dsn: str,
    pool: asyncpg.Pool,
    sandbox: Running,  # noqa: F811
    machines: list[Machine],
    tmp_path: Path,
    _again: int,
) -> None:
    """PF-44, PF-46: cut off with jobs in hand and a clock a day ahead: a slow machine does them, once.

    What it says late counts for nothing; then it works again, by the database's clock.
    """
    one, other = machines
    other.delay_s = 0.03
    database, user = urlsplit(dsn).path[1:], urlsplit(dsn).username or ""
    (tmp_path / "wrong").mkdir()
    (tmp_path / "wrong" / "sitecustomize.py").write_text(WRONG_CLOCK)
    (tmp_path / "right").mkdir()
    await one.employ(user, database, tmp_path / "wrong", tmp_path / "one.log")
    await sandbox.fault("slow", provider="fmp", path="quote", seconds=3)
    ids = await queue(pool, *KEYS, name="quote")
    assert len(ids) == len(KEYS)
    await sandbox.billed(len(KEYS))
    lost = await pool.fetchval("select min(worker) from openbell.job where id = any ($1)", ids)
    assert lost is not None
    one.cut()
    await sandbox.release()
    await other.employ(user, database, tmp_path / "right", tmp_path / "other.log")

    done = "select count(*) from openbell.job_history where id = any ($1) and outcome = 'done' and worker <> $2"
    await eventually(lambda: pool.fetchval(f"select ({done}) = $3", ids, lost, len(KEYS)), 60)
    before = await pool.fetch("select product, key, version, changed_at from openbell.artifact order by 1, 2")

    one.mend()
    living = "select count(*) from openbell.worker where expires_at > openbell.now() and not gone"
    await eventually(lambda: pool.fetchval(f"select ({living}) = 2"), 90)
    assert await pool.fetch("select product, key, version, changed_at from openbell.artifact order by 1, 2") == before
    twice = "select count(*) from (select id from openbell.job_history group by id having count(*) > 1) t"
    assert await pool.fetchval(twice) == 0
    booked = await pool.fetchval("select count(*) from openbell.spend where provider = 'fmp'")
    assert (await sandbox.ledger())["totals"]["by_provider"]["fmp"]["calls"] <= booked

    assert other.process is not None
    other.process.terminate()
    assert await asyncio.wait_for(other.process.wait(), 30) == 0
    (more,) = await queue(pool, "SYN001", name="quote")
    ended = "select exists (select from openbell.job_history where id = $1 and outcome = 'done')"
    await eventually(lambda: pool.fetchval(ended, more), 60)
    made = await pool.fetchval(
        "select fresh_until < openbell.now() + interval '1 hour' from openbell.artifact where key = 'SYN001'"
    )
    assert made
