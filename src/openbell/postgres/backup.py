"""Backups: one file with everything, of one moment, and the way back into a database.

A file is a head of 4,096 bytes (a line that says what it is, then JSON) and, behind it, an archive of `pg_dump` in its
custom format. The head tells the SHA-256 of the archive, when and from which server it was made, and the figures of
the same snapshot, which a restored database must have again. It is written beside its name, and moved there when whole.

A restore is one transaction: what was there is dropped, the archive is read in, and what was restored is fenced
(`fence_restored.sql`) before anybody can see it. When it fails, everything is as it was.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import re
import shutil
import subprocess
from collections.abc import AsyncIterator, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

import asyncpg

from openbell.postgres.embedded import bin_folder
from openbell.postgres.errors import PostgresError
from openbell.postgres.pool import connect, password_of
from openbell.postgres.queries import Queries

SQL = Queries("openbell.postgres")
MAGIC = "OPENBELL-BACKUP 1"
HEAD = 4096
BLOCK = 1 << 20
SCHEMAS = ("openbell", "data")
LOCK_TIMEOUT = "5s"
SUFFIX = ".openbell-backup"
PREAMBLE_LINES = 25
TELL_S = 10
_PREAMBLE = re.compile(rb"^SET (transaction_timeout|idle_session_timeout) = .*;$")
"""Settings that a newer dump sets and an older server does not know; none of them matters to a restore."""


class BackupError(PostgresError):
    """A backup cannot be made, or not be restored, as it was asked for."""


@dataclass(frozen=True, slots=True)
class Head:
    """What a backup says about itself. ``figures`` are those of its snapshot; times in ISO 8601 with zone."""

    at: str
    server: int
    tool: int
    database: str
    bytes: int
    sha256: str
    figures: Mapping[str, Any]

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        return asdict(self)


async def backup(dsn: str, path: Path, *, actor: str) -> Head:
    """Write everything into ``path``, while everybody works on. Needs a direct connection. Raises BackupError."""
    begun = monotonic()
    if await asyncio.to_thread(path.exists):
        raise BackupError(f"{path} is there already: name another file; a backup never replaces one.")
    connection = await connect(dsn, name="backup", statement_timeout_s=0, idle_in_transaction_s=0)
    part = path.with_name(path.name + ".part")
    try:
        server = await connection.fetchrow(SQL.get("read_server"))
        assert server is not None
        if not server["is_openbell"]:
            raise BackupError(f"The database {server['database']} holds nothing of Openbell.")
        tool, tools = await asyncio.to_thread(_tools, server["major"], at_least=server["major"])
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            snapshot = await connection.fetchrow(SQL.get("export_snapshot"))
            counted = await connection.fetchrow(SQL.get("count_backup"))
            assert snapshot is not None
            assert counted is not None
            size, digest = await _dump(dsn, tools / "pg_dump", snapshot["snapshot"], part)
        at = snapshot["at"].astimezone(UTC).isoformat()
        head = Head(at, server["major"], tool, server["database"], size, digest, dict(counted))
        _write_head(part, head)
        part.replace(path)
        columns = ("backup", path.name, size + HEAD, digest, monotonic() - begun, actor, head.as_json())
        await connection.execute(SQL.get("note_backup"), *columns)
    except OSError as error:
        raise BackupError(f"{path} cannot be written: {error.strerror or error}.") from error
    finally:
        part.unlink(missing_ok=True)
        await connection.close(timeout=5)
    return head


async def _dump(dsn: str, program: Path, snapshot: str, part: Path) -> tuple[int, str]:
    """Bytes and SHA-256 of the archive, which then stands behind the place of the head."""
    address, secrets = _address(dsn)
    arguments = [
        "--format=custom", "--no-owner", "--no-privileges", "--no-unlogged-table-data", f"--snapshot={snapshot}",
        *(f"--schema={name}" for name in SCHEMAS), f"--dbname={address}",
    ]  # fmt: skip
    digest, size = hashlib.sha256(), 0
    process = await asyncio.create_subprocess_exec(
        program, *arguments, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE, env=_environment(secrets),
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stderr is not None
    complaints = asyncio.create_task(process.stderr.read())
    try:
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as out:
            out.write(b"\0" * HEAD)
            while block := await process.stdout.read(BLOCK):
                digest.update(block)
                size += len(block)
                out.write(block)
            out.flush()
            os.fsync(out.fileno())
        said = (await complaints).decode("utf-8", "replace")
        if await process.wait() != 0:
            raise BackupError(f"pg_dump ended with {process.returncode}: {_first_line(said)}")
    finally:
        await _end(process)
    return size, digest.hexdigest()


def read_head(path: Path) -> Head:
    """What a file says about itself. Raises BackupError."""
    try:
        with path.open("rb") as file:
            first, _, rest = file.read(HEAD).rstrip(b"\0").partition(b"\n")
        if first.decode("ascii", "replace") != MAGIC:
            raise BackupError(f"{path} is no backup of Openbell.")
        told = json.loads(rest)
        return Head(**told)
    except (OSError, ValueError, TypeError) as error:
        raise BackupError(f"{path} cannot be read as a backup: {error}.") from None


def verify(path: Path) -> Head:
    """The head of a file whose archive is whole. Raises BackupError."""
    head = read_head(path)
    digest, size = hashlib.sha256(), 0
    with path.open("rb") as file:
        file.seek(HEAD)
        while block := file.read(BLOCK):
            digest.update(block)
            size += len(block)
    if (size, digest.hexdigest()) != (head.bytes, head.sha256):
        raise BackupError(f"{path} is damaged: its archive is not the one that its head describes. Take another one.")
    return head


async def restore(dsn: str, path: Path, *, actor: str, replace: str | None = None) -> Head:
    """Put a backup into a database, fenced; one that holds Openbell's data only when ``replace`` is its name.

    Raises BackupError, and then nothing was changed. Sessions of Openbell must have ended before.
    """
    begun = monotonic()
    head = await asyncio.to_thread(verify, path)
    connection = await connect(dsn, name="restore")
    try:
        server = await connection.fetchrow(SQL.get("read_server"))
        assert server is not None
        _check_target(server, head, replace)
        _, tools = await asyncio.to_thread(_tools, server["major"], at_least=head.tool)
        await _read_in(dsn, tools, path, head, actor)
        about = head.as_json() | {"made": head.at}
        columns = ("restore", path.name, head.bytes + HEAD, head.sha256, monotonic() - begun, actor, about)
        await connection.execute(SQL.get("note_backup"), *columns)
    finally:
        await connection.close(timeout=5)
    return head


def _check_target(server: asyncpg.Record, head: Head, replace: str | None) -> None:
    if server["major"] < head.server:
        raise BackupError(
            f"The backup is of PostgreSQL {head.server} and this server is {server['major']}: take one at least as new."
        )
    if server["sessions"]:
        using = ", ".join(sorted(server["sessions"])[:5])
        raise BackupError(f"The database {server['database']} is in use ({using}): stop web and workers first.")
    if server["is_openbell"] and replace != server["database"]:
        raise BackupError(
            f"The database {server['database']} holds data of Openbell, which a restore replaces. If that is meant: "
            f"--replace {server['database']}"
        )


async def _read_in(dsn: str, tools: Path, path: Path, head: Head, actor: str) -> None:
    """One transaction of psql: drop, read in, fence."""
    address, secrets = _address(dsn)
    reader = await asyncio.create_subprocess_exec(
        tools / "pg_restore", "--no-owner", "--no-privileges", "--file=-", stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, env=_environment({}),
    )  # fmt: skip
    writer = await asyncio.create_subprocess_exec(
        tools / "psql", "--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", "--output=/dev/null",
        f"--set=backup_at={head.at}", f"--set=actor={actor[:100]}",
        f"--dbname={address}", stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
        env=_environment(secrets) | {"PGOPTIONS": f"-c lock_timeout={LOCK_TIMEOUT} -c client_min_messages=warning"},
    )  # fmt: skip
    assert reader.stderr is not None
    assert writer.stderr is not None
    said = [asyncio.create_task(stream.read()) for stream in (reader.stderr, writer.stderr)]
    feeding = asyncio.create_task(_feed(reader, path))
    try:
        await _pass_on(reader, writer)
        codes = (await _end(reader), await writer.wait())
        told = [(await one).decode("utf-8", "replace") for one in said]
        if codes != (0, 0):
            raise BackupError(f"The restore failed and changed nothing: {_first_line(told[1] or told[0])}")
    finally:
        feeding.cancel()
        await asyncio.gather(feeding, return_exceptions=True)
        await _end(reader)
        await _end(writer)


async def _feed(reader: asyncio.subprocess.Process, path: Path) -> None:
    assert reader.stdin is not None
    with path.open("rb") as file:
        file.seek(HEAD)
        while block := file.read(BLOCK):
            reader.stdin.write(block)
            await reader.stdin.drain()
    reader.stdin.close()


async def _pass_on(reader: asyncio.subprocess.Process, writer: asyncio.subprocess.Process) -> None:
    """Begin, what the archive says, the fence, and commit; a script that ends before, as when we are killed, is undone.

    That is why it is not psql that begins and commits: its `--single-transaction` takes any end for the whole.
    """
    assert writer.stdin is not None
    try:
        writer.stdin.write(("begin;\n" + SQL.get("drop_schemas") + ";\n").encode())
        async for line in _lines(reader):
            writer.stdin.write(line)
            await writer.stdin.drain()
        if await reader.wait() != 0:
            writer.kill()  # its transaction goes with it
            return
        fence = (SQL.get("name_restore"), SQL.get("fence_restored"), SQL.get("analyze_all"), "commit")
        writer.stdin.write("".join(f"\n{statement};\n" for statement in fence).encode())
        await writer.stdin.drain()
        writer.stdin.close()
    except (BrokenPipeError, ConnectionResetError):
        return  # psql has ended, what it said tells why; who writes for it is ended, too


async def _lines(reader: asyncio.subprocess.Process) -> AsyncIterator[bytes]:
    """The script in parts; of its preamble what an older server does not know is left out."""
    assert reader.stdout is not None
    for _ in range(PREAMBLE_LINES):
        if not (line := await reader.stdout.readline()):
            return
        if not _PREAMBLE.match(line.rstrip(b"\n")):
            yield line
    while block := await reader.stdout.read(BLOCK):
        yield block


def expired(folder: Path, keep: int) -> list[Path]:
    """The backups of a folder beyond the ``keep`` latest, by the time in their heads; other files are not looked at."""
    found = []
    for path in folder.glob(f"*{SUFFIX}"):
        try:
            found.append((datetime.fromisoformat(read_head(path).at), path))
        except BackupError:
            continue  # not ours to remove
    return [path for _, path in sorted(found, reverse=True)[keep:]]


def _write_head(part: Path, head: Head) -> None:
    text = f"{MAGIC}\n{json.dumps(head.as_json(), sort_keys=True)}\n".encode()
    if len(text) > HEAD:
        raise BackupError("The head of the backup does not fit.")
    with part.open("r+b") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def _tools(major: int, *, at_least: int) -> tuple[int, Path]:
    """Where PostgreSQL's programs are, and their version: the server's own where there are such, else newer ones."""
    places = [Path("/usr/lib/postgresql") / str(number) / "bin" for number in range(at_least, 30)]
    found = {int(place.parent.name): place for place in places if (place / "pg_dump").exists()}
    if (bundled := bin_folder()) is not None:
        found.setdefault(18, bundled)
    if (onpath := shutil.which("pg_dump")) and (number := _version(Path(onpath))):
        found.setdefault(number, Path(onpath).parent)
    fitting = sorted(number for number in found if number >= max(at_least, major)) or sorted(
        number for number in found if number >= at_least
    )
    if not fitting:
        raise BackupError(
            f"There is no pg_dump for PostgreSQL {major} here: install the client programs of that version."
        )
    return fitting[0], found[fitting[0]]


def _version(program: Path) -> int:
    """The major version that a program says it has; 0 when it does not tell within ``TELL_S`` seconds."""
    try:
        told = subprocess.run((program, "--version"), capture_output=True, text=True, timeout=TELL_S, check=True).stdout
    except (OSError, ValueError, subprocess.SubprocessError):
        return 0
    found = re.search(r"\(PostgreSQL\) (\d+)", told)
    return int(found[1]) if found else 0


def _address(dsn: str) -> tuple[str, dict[str, str]]:
    """The address for PostgreSQL's programs, without its password, which goes through the environment."""
    parts = urlsplit(dsn)
    query = [(name, value) for name, value in parse_qsl(parts.query) if name not in ("pooler", "password")]
    secrets = {"PGPASSWORD": password} if (password := password_of(dsn)) else {}
    where = parts.netloc.rpartition("@")
    netloc = f"{where[0].partition(':')[0]}@{where[2]}" if where[1] else parts.netloc
    return urlunsplit(parts._replace(netloc=netloc, query=urlencode(query, quote_via=quote))), secrets


def _environment(secrets: Mapping[str, str]) -> dict[str, str]:
    return {"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "LC_ALL": "C", "PGAPPNAME": "openbell-copy", **secrets}


def _first_line(text: str) -> str:
    return next((line.strip() for line in text.splitlines() if line.strip()), "it said nothing")[:300]


async def _end(process: asyncio.subprocess.Process) -> int:
    """Its exit code, once it has ended; a pipe that is not read to its end would stay open, and hold up who writes."""
    if process.returncode is None:
        process.kill()
    while process.stdout is not None and await process.stdout.read(BLOCK):
        pass
    return await process.wait()
