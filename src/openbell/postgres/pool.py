"""Connections: one way to open them, with time limits that the server itself enforces.

Every session gets a statement, lock and idle-in-transaction timeout and a name that is visible in pg_stat_activity.
JSON columns are Python objects in both directions.

A transaction pooler (PgBouncer, Supavisor, a managed "pooled" address) hands each transaction to another session, so
prepared statements and session settings do not survive. Add `pooler=transaction` to the address:

    postgresql://user:secret@pooler.example:6543/openbell?pooler=transaction

Then no statement is cached and no setting is sent at connect (poolers refuse unknown ones); set the timeouts on the
role instead (`alter role openbell set statement_timeout = '30s'`). LISTEN does not work there: it needs a
direct address.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit, urlunsplit

import asyncpg
from pydantic_core import from_json, to_json

from openbell.postgres.errors import DatabaseUnreachable

CONNECT_TIMEOUT_S = 10.0
CLIENT_GRACE_S = 5.0
"""How much longer than the server the client waits before it gives a statement up: only a dead network needs it."""

_JSONB_VERSION = b"\x01"


async def open_pool(
    dsn: str,
    *,
    name: str,
    min_size: int = 1,
    max_size: int = 10,
    statement_timeout_s: float = 30.0,
    lock_timeout_s: float = 5.0,
    idle_in_transaction_s: float = 10.0,
    ordered: bool = False,
) -> asyncpg.Pool:
    """A pool of connections named `openbell {name}`. Raises DatabaseUnreachable.

    `ordered` is for workers: their plans walk along an index, and never sort or read a table. The live table grows from
    nothing to a million rows between two looks of the statistics, and claims must not depend on those: sorting 50,000
    rows for 1,000 took 16 ms instead of 1.

    The pool outlives a restart of the server: connections that broke are replaced on their next use. Connections are
    given back without a round trip, so change session state only inside a transaction (`set local`).
    """
    options = _options(dsn, name, statement_timeout_s, lock_timeout_s, idle_in_transaction_s)
    if ordered and not _split_pooler(dsn)[1]:
        options["server_settings"] |= {"enable_sort": "off", "enable_bitmapscan": "off", "enable_seqscan": "off"}
    try:
        return await asyncpg.create_pool(
            **options, min_size=min_size, max_size=max_size, init=_set_codecs, reset=_keep_session
        )
    except _UNREACHABLE as error:
        raise _unreachable(dsn, error) from error


async def connect(
    dsn: str,
    *,
    name: str,
    statement_timeout_s: float = 30.0,
    lock_timeout_s: float = 5.0,
    idle_in_transaction_s: float = 10.0,
) -> asyncpg.Connection:
    """One connection with the same settings as a pool's, for LISTEN and for migrations. Raises DatabaseUnreachable."""
    options = _options(dsn, name, statement_timeout_s, lock_timeout_s, idle_in_transaction_s)
    try:
        connection: asyncpg.Connection = await asyncpg.connect(**options)
    except _UNREACHABLE as error:
        raise _unreachable(dsn, error) from error
    await _set_codecs(connection)
    return connection


def _options(
    dsn: str, name: str, statement_timeout_s: float, lock_timeout_s: float, idle_in_transaction_s: float
) -> dict[str, Any]:
    dsn, behind_pooler = _split_pooler(dsn)
    options: dict[str, Any] = {"dsn": dsn, "timeout": CONNECT_TIMEOUT_S}
    if statement_timeout_s:
        options["command_timeout"] = statement_timeout_s + CLIENT_GRACE_S
    if behind_pooler:
        options["statement_cache_size"] = 0
        options["server_settings"] = {"application_name": f"openbell {name}"}
    else:
        options["server_settings"] = {
            "application_name": f"openbell {name}",
            "statement_timeout": _milliseconds(statement_timeout_s),
            "lock_timeout": _milliseconds(lock_timeout_s),
            "idle_in_transaction_session_timeout": _milliseconds(idle_in_transaction_s),
            "timezone": "UTC",
            # Compiling plans never pays for statements this small.
            "jit": "off",
        }
    return options


def can_listen(dsn: str) -> bool:
    """Whether LISTEN works there: not behind a transaction pooler."""
    return not _split_pooler(dsn)[1]


def password_of(dsn: str) -> str:
    """The password in an address as it is typed; empty where there is none."""
    parts = urlsplit(dsn)
    return dict(parse_qsl(parts.query)).get("password") or unquote(parts.password or "")


def _milliseconds(seconds: float) -> str:
    """A PostgreSQL timeout value; 0 means no limit, so what is small but not 0 stays at least 1 ms."""
    return str(max(1, round(seconds * 1000)) if seconds else 0)


def _split_pooler(dsn: str) -> tuple[str, bool]:
    """The address without our own parameter `pooler`, and whether it named a transaction pooler."""
    parts = urlsplit(dsn)
    pairs = parse_qsl(parts.query, keep_blank_values=True)
    kept = [(key, value) for key, value in pairs if key != "pooler"]
    if len(kept) == len(pairs):
        return dsn, False
    return urlunsplit(parts._replace(query=urlencode(kept))), ("pooler", "transaction") in pairs


async def _set_codecs(connection: Any) -> None:
    """Both JSON types as Python objects, in binary: no text is decoded twice. The server refuses NaN."""
    await connection.set_type_codec(
        "jsonb",
        schema="pg_catalog",
        format="binary",
        encoder=lambda value: _JSONB_VERSION + to_json(value),
        decoder=lambda data: from_json(data[1:]),
    )
    await connection.set_type_codec("json", schema="pg_catalog", format="binary", encoder=to_json, decoder=from_json)


async def _keep_session(connection: Any) -> None:
    """Nothing to reset: asyncpg has already rolled back what was open and dropped listeners."""


_UNREACHABLE = (
    OSError,  # also a TimeoutError
    asyncpg.CannotConnectNowError,
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.InvalidCatalogNameError,
    asyncpg.TooManyConnectionsError,
    asyncpg.ConnectionDoesNotExistError,
)


def _unreachable(dsn: str, error: BaseException) -> DatabaseUnreachable:
    reason = str(error).strip().rstrip(".") or f"no answer within {CONNECT_TIMEOUT_S:g} seconds"
    return DatabaseUnreachable(_place(dsn), reason)


def _place(dsn: str) -> str:
    """Host, port and database of an address: what may be shown, because user and password are left out."""
    parts = urlsplit(dsn)
    socket_folder = dict(parse_qsl(parts.query)).get("host")
    host = parts.netloc.rpartition("@")[2] or socket_folder or "the local socket"
    return f"{host}{parts.path}"
