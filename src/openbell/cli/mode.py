"""Real and synthetic data never share a database: each is stamped at its first start, and a mismatch is refused."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from openbell.cli.exits import BAD_INPUT, CliError

if TYPE_CHECKING:
    import asyncpg

    from openbell.settings import Settings

SANDBOX = "sandbox"
LIVE = "live"
WORDS = {SANDBOX: "synthetic data (sandbox)", LIVE: "real data (live)"}


@dataclass(frozen=True, slots=True)
class Source:
    """Whom a worker asks: address, key and plan."""

    base_url: str
    key: str = field(repr=False)
    plan: str


async def stamp_mode(db: asyncpg.Connection | asyncpg.Pool, wanted: str) -> None:
    """Stamp a new database; raises CliError when it was stamped with the other mode."""
    from openbell.postgres.queries import Queries

    _refuse_other(await db.fetchval(Queries("openbell.cli").get("stamp_mode"), wanted), wanted)


async def check_mode(db: asyncpg.Connection, wanted: str) -> None:
    """Raise CliError when the database was stamped with the other mode; a new one passes. Changes nothing."""
    from openbell.postgres.queries import Queries

    queries = Queries("openbell.cli")
    if await db.fetchval(queries.get("has_mode")):
        _refuse_other(await db.fetchval(queries.get("read_mode")) or wanted, wanted)


def _refuse_other(found: str, wanted: str) -> None:
    if found != wanted:
        mend = "add --live" if found == LIVE else "leave out --live"
        raise CliError(
            f"This database holds {WORDS[found]} and was to be started on {WORDS[wanted]}, which never mix: "
            f"{mend}, or choose another data folder with --data (another DATABASE_URL)."
        )


async def choose_source(db: asyncpg.Pool, settings: Settings, run: Mapping[str, Any]) -> Source:
    """Whom a worker asks on this database. Raises CliError or SettingsError before real and synthetic data mix.

    `run` is what an `openbell up` beside it says of itself: without an FMP_BASE_URL of its own, a worker asks whom that
    one asks.
    """
    from openbell.postgres.queries import Queries
    from openbell.settings import FMP_HOME, require_live_secrets

    mode = await db.fetchval(Queries("openbell.cli").get("read_mode"))
    beside = run.get("mode") == SANDBOX and not settings.is_set("fmp_base_url")
    base_url = str(run["fmp_base_url"]) if beside else settings.fmp_base_url
    plan = str(run["fmp_plan"]) if beside else settings.fmp_plan
    real = base_url == FMP_HOME
    if mode == SANDBOX and real:
        raise CliError(
            f"This database holds {WORDS[SANDBOX]}: set FMP_BASE_URL to a sandbox, or use another database.", BAD_INPUT
        )
    if mode == LIVE or real:
        require_live_secrets(settings)
        await stamp_mode(db, LIVE)
    key = settings.fmp_api_key.get_secret_value() if settings.fmp_api_key else ""
    return Source(base_url, SANDBOX if beside else key, plan)
