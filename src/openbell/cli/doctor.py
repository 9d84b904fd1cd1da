"""`openbell doctor`: what is configured, reachable and missing, with the mend. Spends nothing, shows no secret."""

from __future__ import annotations

import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal
from urllib.parse import urlsplit

import click

from openbell.cli import reach
from openbell.cli.exits import FAILED, CliError
from openbell.cli.options import data_option, json_option
from openbell.cli.output import age, paint, print_json

if TYPE_CHECKING:
    import asyncpg

    from openbell.settings import Settings

PYTHON_MIN = (3, 11)
POSTGRES_MIN, POSTGRES_MAX = 15, 18
SKEW_MAX_S = 2.0
WAITING_MAX_S = 60.0
REACH_TIMEOUT_S = 4.0


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at. `bad` means that something needed is broken; `mend` says what to do about it."""

    about: str
    state: Literal["ok", "info", "warn", "bad"]
    detail: str
    mend: str = ""


@click.command()
@data_option
@json_option
def doctor(data: Path | None, as_json: bool) -> int:
    """Say what is configured, reachable and missing, with the mend. Exit 1 when something needed is broken."""
    findings = reach.run_async(examine(data))
    broken = any(finding.state == "bad" for finding in findings)
    if as_json:
        print_json({"healthy": not broken, "findings": [asdict(finding) for finding in findings]})
        return FAILED if broken else 0
    width = max(len(finding.about) for finding in findings)
    for finding in findings:
        click.echo(f"{paint(finding.state)}{' ' * (5 - len(finding.state))} {finding.about:<{width}}  {finding.detail}")
        if finding.mend:
            click.echo(f"{'':{width + 8}}{finding.mend}")
    return FAILED if broken else 0


async def examine(data: Path | None) -> list[Finding]:
    """All findings, in the order in which one would mend them."""
    from openbell.settings import SettingsError, load

    findings = [_python()]
    try:
        settings = load()
    except SettingsError as error:
        return [*findings, Finding("settings", "bad", str(error), "Nothing else was looked at.")]
    findings.append(Finding("settings", "ok", f"environment {settings.environment}, {_origins()}"))
    try:
        place = reach.find(settings, data)
    except CliError as error:
        findings += [*_not_running(settings, data), Finding("database", "bad", "none is running", str(error))]
        return [*findings, *await _sources(settings, None, {})]
    run = reach.read_run(place.folder)
    findings += [_folder(place.folder)] if place.folder else []
    looks, mode = await _database(place.dsn, settings.environment)
    return [*findings, *looks, *await _pages(run), *await _sources(settings, mode, run)]


async def _sources(settings: Settings, mode: str | None, run: dict[str, object]) -> list[Finding]:
    """Whom a worker would ask."""
    return [*await _provider(settings, mode, run), *_other_keys(settings, mode), *await _mail(settings, mode)]


def _python() -> Finding:
    found = ".".join(str(part) for part in sys.version_info[:3])
    if sys.version_info < PYTHON_MIN:
        return Finding("python", "bad", found, "Openbell needs Python 3.11 or newer.")
    return Finding("python", "ok", found)


def _origins() -> str:
    there = [name for name in ("openbell.toml", ".env") if Path(name).exists()]
    return "from the environment" + "".join(f" and {name}" for name in there)


def _not_running(settings: Settings, data: Path | None) -> list[Finding]:
    """Whether `openbell up` could start here."""
    import socket

    findings = [_folder(data or settings.openbell_data or reach.HOME / "sandbox")]
    where = f"{settings.openbell_host}:{settings.openbell_port}"
    family = socket.AF_INET6 if ":" in settings.openbell_host else socket.AF_INET
    try:
        socket.create_server((settings.openbell_host, settings.openbell_port), family=family).close()
        return [*findings, Finding("port", "ok", f"{where} is free")]
    except OSError as error:
        return [
            *findings,
            Finding("port", "warn", f"{where}: {error.strerror}", "Choose another with OPENBELL_PORT or --port."),
        ]


def _folder(folder: Path) -> Finding:
    import os

    nearest = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
    if not nearest.is_dir() or not os.access(nearest, os.W_OK | os.X_OK):
        return Finding(
            "data folder", "bad", f"{folder} cannot be written", "Make it writable, or choose another with --data."
        )
    return Finding("data folder", "ok", f"{folder}" + ("" if folder.exists() else " (will be made)"))


async def _database(dsn: str, environment: str) -> tuple[list[Finding], str | None]:
    """What the database says of itself, and the mode it is stamped with."""
    from openbell.postgres.errors import PostgresError
    from openbell.postgres.migrate import pending
    from openbell.postgres.pool import connect
    from openbell.postgres.queries import Queries

    queries = Queries("openbell.cli")
    try:
        connection = await connect(dsn, name="doctor")
    except PostgresError as error:
        return [Finding("database", "bad", error.__class__.__name__, str(error))], None
    try:
        findings = _server(await _timed(connection, queries.get("inspect_server")))
        waiting = await pending(dsn)
        if waiting:
            mend = f"Run `openbell migrate`: {', '.join(waiting)}"
            return [*findings, Finding("migrations", "bad", f"{len(waiting)} waiting", mend)], None
        findings.append(Finding("migrations", "ok", "none waiting"))
        (row,) = await connection.fetch(queries.get("inspect_database"))
        books = [
            _environment(row["environment"], environment),
            *await _books(connection),
            await _calendars(connection, row["mode"]),
            await _views(connection),
            await _followed(connection),
        ]
        books.append(await _flags(connection))
    except PostgresError as error:
        return [Finding("migrations", "bad", error.__class__.__name__, str(error))], None
    finally:
        await connection.close(timeout=2)
    return [*findings, *_work(row), *books], row["mode"]


def _environment(stamp: str | None, ours: str) -> Finding:
    """Whether the database is of the environment that processes with these settings say they are."""
    if stamp in (None, ours):
        return Finding("environment", "ok", f"the database is {f'stamped {stamp}' if stamp else 'not stamped yet'}")
    mend = "Name the right one in ENVIRONMENT or DATABASE_URL; a copy gets its own: openbell mail environment NAME"
    return Finding("environment", "bad", f"the database is stamped {stamp}, and ENVIRONMENT is {ours}", mend)


async def _books(connection: asyncpg.Connection) -> list[Finding]:
    """Budgets, breakers and doubtful calls: what is alarming about each, or that nothing is."""
    from openbell.engine.alarms import look

    found = await look(connection)
    findings = []
    for about, codes, calm in (
        ("budgets", ("budget", "overrun"), f"{len(found.books)} accounts, none used to 75 %"),
        ("pauses", ("paused",), "no account is paused"),
        ("breakers", ("breaker",), "none open"),
        ("spends", ("unknown_spends",), "no call is in doubt"),
        ("estimates", ("estimate",), "no call of the last day took twice what was expected"),
    ):
        alarms = [alarm for alarm in found.alarms if alarm.code in codes]
        findings += [Finding(about, one.level, f"{one.about}: {one.message}", one.mend) for one in alarms]
        findings += [] if alarms else [Finding(about, "ok", calm)]
    return findings


async def _calendars(connection: asyncpg.Connection, mode: str | None) -> Finding:
    """Whether the hours of the markets that values keep to are known, and for how long."""
    from openbell.engine.sessions import ends_soon, list_calendars, used_calendars

    if mode == "sandbox":
        return Finding("calendars", "info", "not kept: the replayed market counts as open at any time")
    known = {row.calendar: row for row in await list_calendars(connection)}
    used = await used_calendars(connection)
    mend = "Write them: openbell calendars write"
    if missing := [name for name in used if name not in known]:
        return Finding("calendars", "warn", f"no sessions of {', '.join(missing)}, so they count as open", mend)
    if not known:
        return Finding("calendars", "info", "none written, so every market counts as open", mend)
    if soon := [known[name] for name in used if ends_soon(known[name])]:
        ends = ", ".join(f"{row.calendar} ends on {row.last_day}" for row in soon)
        mend += "; where that changes nothing, a newer exchange_calendars knows more."
        return Finding("calendars", "warn", f"{ends}, and counts as open from then on", mend)
    until = min(known[name].last_day for name in used or known)
    return Finding("calendars", "ok", f"{len(known)} written, those in use at least until {until}")


async def _views(connection: asyncpg.Connection) -> Finding:
    """Whether SQL shows what the models say, and all rows of it."""
    from openbell.engine.shapes import look
    from openbell.products import registry

    found = await look(connection, registry())
    if found.trouble:
        mend = "The next version of the key brings them."
        return Finding("views", "warn", f"rows could not be taken: {'; '.join(found.trouble)}", mend)
    if found.outdated and found.shown:
        mend = "Run `openbell migrate` as a user who may make views, while nobody reads them."
        return Finding("views", "warn", f"not as the models are: {', '.join(found.outdated)}", mend)
    if found.outdated:
        return Finding("views", "info", "not made yet: the first worker makes them, or `openbell migrate`")
    return Finding("views", "ok", f"{found.shown} data types can be read in SQL, schema data")


async def _followed(connection: asyncpg.Connection) -> Finding:
    """Whether each ticker that somebody follows can have a digest."""
    from openbell.people.follows import followed
    from openbell.products.digest.requests import undigested

    tickers = await followed(connection)
    if without := await undigested(connection, tickers):
        named = ", ".join(without[:5]) + (f" and {len(without) - 5} more" if len(without) > 5 else "")
        return Finding(
            "digests", "warn", f"followed, without reference data: {named}", "openbell reference import FILE"
        )
    return Finding("digests", "ok", f"{len(tickers)} followed tickers can have one")


async def _flags(connection: asyncpg.Connection) -> Finding:
    """Whether any flag has outlived its day (PF-27): what was tried is then decided, and the flag can go."""
    from datetime import UTC, datetime

    from openbell.engine.flags import list_flags

    every = await list_flags(connection)
    late = [f"{one.name} ({one.words}, {one.owner})" for one in every if one.remove_by < datetime.now(UTC).date()]
    if late:
        mend = "Decide: move what is on into the code and remove the rest, then `openbell flags drop NAME`."
        return Finding("flags", "warn", f"past their day: {', '.join(late)}", mend)
    return Finding("flags", "ok", f"{len(every)}, none past its day")


async def _timed(connection: asyncpg.Connection, statement: str) -> tuple[int, float, float]:
    """The server's version, how far its clock is from ours in seconds, and the time of the round trip in seconds."""
    import time

    start = time.time()
    (row,) = await connection.fetch(statement)
    end = time.time()
    return row["version"], row["clock"].timestamp() - (start + end) / 2, end - start


def _server(answer: tuple[int, float, float]) -> list[Finding]:
    version, skew_s, trip_s = answer
    major = version // 10_000
    about = Finding("database", "ok", f"PostgreSQL {major}.{version % 10_000}, answers in {trip_s * 1000:.1f} ms")
    if major < POSTGRES_MIN:
        about = Finding("database", "bad", about.detail, f"Openbell needs PostgreSQL {POSTGRES_MIN} to {POSTGRES_MAX}.")
    elif major > POSTGRES_MAX:
        about = Finding("database", "warn", about.detail, f"Tested with PostgreSQL {POSTGRES_MIN} to {POSTGRES_MAX}.")
    clock = Finding("clock", "ok", f"{abs(skew_s):.3f} s apart from the database's")
    if abs(skew_s) > SKEW_MAX_S:
        clock = Finding("clock", "warn", clock.detail, "Ages shown by this machine are off; let NTP set both clocks.")
    return [about, clock]


def _work(row: asyncpg.Record) -> list[Finding]:
    findings = [Finding("data", "info", {"live": "real", "sandbox": "synthetic"}.get(row["mode"], "not stamped yet"))]
    if row["shift_s"]:
        findings.append(
            Finding("clock shift", "warn", f"{row['shift_s']:+.0f} s", "A test has moved the database's clock.")
        )
    if row["workers"]:
        findings.append(Finding("workers", "ok", f"{row['workers']} alive"))
    else:
        findings.append(Finding("workers", "bad", "none alive", "Start `openbell worker` or `openbell up`."))
    oldest = row["oldest_waiting_s"]
    if oldest is not None and oldest > WAITING_MAX_S:
        mend = "See `openbell jobs stats` and `openbell accounts list`: which class waits, and which account is full."
        findings.append(Finding("jobs", "warn", f"{row['jobs']} live, the oldest waits {age(oldest)}", mend))
    else:
        findings.append(
            Finding("jobs", "ok", f"{row['jobs']} live" + (f", the oldest waits {age(oldest)}" if oldest else ""))
        )
    return findings


async def _pages(run: dict[str, object]) -> list[Finding]:
    address = str(run.get("address", ""))
    if not address:
        return []
    if trouble := await _touch(address):
        return [Finding("pages", "bad", f"{address}: {trouble}", "See logs/web.log in the data folder.")]
    return [Finding("pages", "ok", address)]


async def _provider(settings: Settings, mode: str | None, run: dict[str, object]) -> list[Finding]:
    """Where the provider is, whether it can be reached (no call is spent), and whether a key is there (never shown)."""
    from openbell.settings import is_placeholder

    running = str(run.get("fmp_base_url", "")) if not settings.is_set("fmp_base_url") else ""
    address = running or settings.fmp_base_url
    needed = mode is not None
    keys = settings.keys_of("fmp")
    key = next(iter(keys.values()), "")
    if not needed and not key:
        return [Finding("key", "info", "FMP_API_KEY is not set", "Needed for real data (--live): put it into .env.")]
    trouble = await _touch(address)
    mend = "Check FMP_BASE_URL and the network." if trouble else ""
    reachable = Finding(
        "provider",
        ("bad" if needed else "warn") if trouble else "ok",
        f"FMP at {address}{trouble and ': ' + trouble}",
        mend,
    )
    if mode == "sandbox":
        return [reachable]
    if key and not any(is_placeholder(one) for one in keys.values()):
        several = f" with {len(keys)} keys ({', '.join(keys)})" if len(keys) > 1 else ""
        return [reachable, Finding("key", "ok", f"FMP_API_KEY is set{several}, plan {settings.fmp_plan}")]
    detail = "FMP_API_KEY holds a placeholder" if key else "FMP_API_KEY is not set"
    return [
        reachable,
        Finding("key", "bad" if mode == "live" else "info", detail, "Needed for real data (--live): put it into .env."),
    ]


def _other_keys(settings: Settings, mode: str | None) -> list[Finding]:
    """The keys of providers that are paid by use, where they are set, and whether anything may be spent with them."""
    from openbell.settings import KEYED, field_of, is_placeholder

    findings = []
    for provider in KEYED:
        key, name, budget = (
            settings.key_of(provider), field_of(provider, "api_key").upper(), field_of(provider, "usd_per_month")
        )  # fmt: skip
        if provider == "fmp" or not key or mode == "sandbox":
            continue
        if is_placeholder(key):
            findings.append(Finding("key", "bad", f"{name} holds a placeholder", "Put the real key into .env."))
        elif hasattr(settings, budget) and not getattr(settings, budget):
            mend = f"Nothing is spent with it: set {budget.upper()} to dollars of a calendar month."
            findings.append(Finding("key", "warn", f"{name} is set, and no budget", mend))
        else:
            findings.append(Finding("key", "ok", f"{name} is set{_allowances(settings, provider)}"))
    return findings


def _allowances(settings: Settings, provider: str) -> str:
    """What the operator allows a provider, beside what its plan says."""
    from openbell.settings import field_of

    told = {
        "usd_per_month": "${:,} a month",
        "calls_per_minute": "{:,} calls a minute",
        "calls_at_once": "{:,} calls at once",
    }
    given = {how: getattr(settings, field_of(provider, what), None) for what, how in told.items()}
    return "".join(f", {how.format(value)}" for how, value in given.items() if value is not None)


async def _mail(settings: Settings, mode: str | None) -> list[Finding]:
    """The mail server, whether it can be reached (nothing is said to it), and whether mails are signed."""
    from openbell.cli.mode import relay_of
    from openbell.settings import SettingsError

    if settings.smtp_host is None or mode == "sandbox":
        return []
    try:
        relay = relay_of(settings, signs=True)
    except SettingsError as error:
        return [Finding("mail", "bad", "its settings are wrong", str(error))]
    host = f"[{settings.smtp_host}]" if ":" in settings.smtp_host else settings.smtp_host
    where = f"{host}:{settings.smtp_port}"
    if trouble := await _touch(f"smtp://{where}"):
        return [Finding("mail", "warn", f"{where}: {trouble}", "Check SMTP_HOST, SMTP_PORT and the network.")]
    signed = f"signed for {relay.dkim.domain}" if relay and relay.dkim else "not signed by us"
    dry = f", every mail goes to {settings.admin_email}" if settings.runs_dry else ""
    found = [Finding("mail", "ok", f"{where}, {settings.smtp_tls}, {signed}{dry}")]
    needed = {"MAIL_FROM": settings.mail_from, "PUBLIC_URL": settings.public_url}
    if gaps := [name for name, value in needed.items() if not value]:
        what = f"{' and '.join(gaps)} {'is' if len(gaps) == 1 else 'are'} not set"
        found.append(Finding("mail", "warn", what, "Set them: until then mails wait (docs/mail.md)."))
    return found


async def _touch(address: str) -> str:
    """Open a connection (with TLS for https) and close it; what went wrong, or nothing."""
    import asyncio
    import socket

    parts = urlsplit(address)
    secure = parts.scheme == "https"
    try:
        async with asyncio.timeout(REACH_TIMEOUT_S):
            _, writer = await asyncio.open_connection(
                parts.hostname, parts.port or (443 if secure else 80), ssl=secure or None
            )
            writer.close()
    except TimeoutError:
        return f"no answer within {REACH_TIMEOUT_S:.0f} s"
    except socket.gaierror:
        return "its name cannot be resolved"
    except (OSError, ValueError) as error:
        return str(error).strip() or type(error).__name__
    return ""
