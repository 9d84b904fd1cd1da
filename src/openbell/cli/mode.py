"""Real and synthetic data never share a database: each is stamped at its first start, and a mismatch is refused."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from openbell.cli.exits import BAD_INPUT, CliError

if TYPE_CHECKING:
    import asyncpg

    from openbell.mail.rules import Rules
    from openbell.products.forecast.note_rules import NoteRules
    from openbell.products.picks.config import PicksConfig
    from openbell.products.sources import Connections, Source
    from openbell.providers.mail import Dkim, Relay
    from openbell.settings import Settings

SANDBOX = "sandbox"
LIVE = "live"
LOOPBACK = ("127.0.0.1", "::1", "localhost")
MAIL_PORTS = (25, 465, 587)
WORDS = {SANDBOX: "synthetic data (sandbox)", LIVE: "real data (live)"}


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


async def choose_connections(db: asyncpg.Pool, settings: Settings, run: Mapping[str, Any]) -> Connections:
    """Whom a worker asks on this database. Raises CliError or SettingsError before real and synthetic data mix.

    `run` is what an `openbell up` beside it says of itself: without an FMP_BASE_URL of its own, a worker asks whom
    that one asks. On synthetic data, a provider at home is left out, and a real mail server; on real data, a provider
    that wants a key and has none.
    """
    from openbell.postgres.queries import Queries
    from openbell.products.sources import Connections
    from openbell.settings import HOMES, KEYED, require_live_secrets

    mode = await db.fetchval(Queries("openbell.cli").get("read_mode"))
    if run.get("mode") == SANDBOX and not settings.is_set("fmp_base_url"):
        settings = settings.beside(run, key=SANDBOX)
    at_home = {provider for provider, home in HOMES.items() if settings.base_url_of(provider) == home}
    if mode == SANDBOX and "fmp" in at_home:
        raise CliError(
            f"This database holds {WORDS[SANDBOX]}: set FMP_BASE_URL to a sandbox, or use another database.", BAD_INPUT
        )
    if mode == LIVE or "fmp" in at_home:
        require_live_secrets(settings)
        await stamp_mode(db, LIVE)
        mode = LIVE
    usable = [one for one in HOMES if settings.key_of(one) or one not in KEYED or one == "fmp"]
    sources = {one: source_of(settings, one) for one in usable if mode != SANDBOX or one not in at_home}
    pretended = settings.smtp_host in LOOPBACK and settings.smtp_port not in MAIL_PORTS
    relay = relay_of(settings, signs=mode != SANDBOX) if mode != SANDBOX or pretended else None
    return Connections(
        sources,
        contact=settings.admin_email,
        relay=relay,
        mail_rules=mail_rules_of(settings),
        digest_models=settings.digest_models,
        picks=picks_of(settings),
        digest_cap_micro=int(settings.digest_usd_max * 1_000_000),
        displays=frozenset(settings.display_licences),
        notes=notes_of(settings),
    )


def notes_of(settings: Settings) -> NoteRules:
    """What the operator decides about notes on comparisons."""
    from openbell.products.forecast.note_rules import NoteRules

    return NoteRules(settings.compare_notes, settings.compare_notes_per_day, settings.compare_notes_per_person)


def picks_of(settings: Settings) -> PicksConfig:
    """What the operator decides about weekly picks."""
    from openbell.products.picks.config import PicksConfig

    return PicksConfig(
        enabled=settings.enable_weekly_picks_generation,
        budget=int((settings.picks_usd_per_week or 0) * 1_000_000),
        provider=settings.picks_provider,
        model=settings.picks_model,
        effort=settings.picks_effort,
        hold=int(settings.picks_usd_per_edition * 1_000_000),
        members=settings.picks_per_batch,
    )


def source_of(settings: Settings, provider: str) -> Source:
    """A provider as the settings describe it."""
    from openbell.products.sources import Source
    from openbell.settings import HOMES, field_of

    plan = {"fmp": settings.fmp_plan, "perplexity": settings.pplx_tier, "scrapfly": settings.scrapfly_plan}
    dollars = getattr(settings, field_of(provider, "usd_per_month"), None) or 0
    base_url, keys = settings.base_url_of(provider), settings.keys_of(provider)
    return Source(
        base_url,
        next(iter(keys.values()), ""),
        keys if len(keys) > 1 else {},
        plan=plan.get(provider, ""),
        calls_per_minute=getattr(settings, field_of(provider, "calls_per_minute"), None),
        calls_at_once=getattr(settings, field_of(provider, "calls_at_once"), None),
        budget=int(dollars * 1_000_000),
        at_home=base_url == HOMES[provider],
    )


def mail_rules_of(settings: Settings) -> Rules:
    """Under which rules this process sends mail."""
    from openbell.mail.rules import Rules

    return Rules(
        environment=settings.environment,
        sender=settings.mail_from,
        home=settings.public_url.rstrip("/") if settings.public_url else None,
        dry_run=settings.runs_dry,
        dry_run_to=settings.admin_email if settings.runs_dry else None,
        allowed=allowed_of(settings),
        per_minute=settings.mails_per_minute,
        per_day=settings.mails_per_day,
        per_domain=settings.mails_per_domain,
    )


def allowed_of(settings: Settings) -> frozenset[str] | None:
    """The only addresses that this process may write to; None where it may write to all."""
    if not settings.is_staging:
        return None
    return frozenset(one.lower() for one in [*settings.mail_allowed, settings.admin_email or ""] if one)


def relay_of(settings: Settings, *, signs: bool) -> Relay | None:
    """The mail server as the settings describe it, where there is one; with their DKIM key if it ``signs``.

    Raises SettingsError.
    """
    from openbell.providers.mail import Relay
    from openbell.settings import SettingsError

    if settings.smtp_host is None:
        return None
    password = settings.smtp_password.get_secret_value() if settings.smtp_password else None
    try:
        return Relay(
            settings.smtp_host,
            settings.smtp_port,
            tls=settings.smtp_tls,
            username=settings.smtp_user,
            password=password,
            dry_run_to=settings.admin_email if settings.runs_dry else None,
            only=allowed_of(settings),
            dkim=_dkim_of(settings) if signs else None,
        )
    except ValueError as error:
        raise SettingsError(f"{error}.") from None


def _dkim_of(settings: Settings) -> Dkim | None:
    """The key that signs mails, where there is one. Raises SettingsError, which never shows what DKIM_KEY holds."""
    from pathlib import Path

    from openbell.providers.mail import Dkim
    from openbell.settings import SettingsError

    if gaps := settings.dkim_gaps:
        raise SettingsError(f"{' and '.join(gaps)}: mails are signed with all three of them, or with none.")
    if not (settings.dkim_domain and settings.dkim_selector and settings.dkim_key):
        return None
    given = settings.dkim_key.get_secret_value().strip()
    try:
        # In one line of .env or of a unit file the ends of lines are written out.
        pem = given.replace("\\n", "\n") if given.startswith("-----BEGIN") else Path(given).read_text("ascii")
        return Dkim(settings.dkim_domain, settings.dkim_selector, pem)
    except OSError as error:
        raise SettingsError(
            f"DKIM_KEY is no file that can be read ({error.strerror}): give the path of an RSA private key in PEM, "
            "or the key itself."
        ) from None
    except ValueError:
        raise SettingsError("DKIM_KEY: it must be an RSA private key in PEM, or the path of a file with one.") from None
